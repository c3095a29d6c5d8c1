"""The firewall's ruleset."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from postolka.home import CHECKOUT
from postolka.instance.transport import Relay
from pyinfra_deploys import nftables, server
from pyinfra_deploys.room import egress
from pyinfra_deploys.sections import NftablesSettings
from pyinfra_deploys.settings import Settings
from tests.unit import golden

if TYPE_CHECKING:
    from collections.abc import Sequence

_PATH = "/etc/nftables.conf"
_FLOWS = "/etc/postolka/flows.nft"
_DOCS = CHECKOUT / "docs/firewall.md"
#: One line for a flow, one more for each address that it is limited to.
_OUT = re.compile(
    r'^ +(?:ip6? daddr (\S+) )?meta skuid "([\w-]+)" (\w+) dport @?(\w+) counter name \S+ accept$',
    re.MULTILINE,
)


def _rules(settings: Settings | None = None) -> str:
    return golden.baked(nftables, settings)[_PATH].decode()


def test_ruleset_is_as_reviewed() -> None:
    """The whole of it."""
    golden.check("nftables", _PATH, _rules())


def test_every_public_port_is_open_and_no_other() -> None:
    """What is let in is what the rooms name."""
    found = set(
        re.findall(r"^ +(tcp|udp) dport (\d+) counter name \S+ accept", _rules(), re.MULTILINE)
    )
    wanted = {(p.protocol, str(p.number)) for p in server.ports(Settings()) if p.is_public}
    assert found == wanted


def test_every_outgoing_flow_is_its_users_alone() -> None:
    """What is let out is what the rooms name, and only for who needs it."""
    found = set(_OUT.findall(_rules()))
    flows = egress(server.all_rooms(), Settings())
    assert found == {
        (address, flow.user, flow.protocol, str(flow.port))
        for flow in flows
        for address in flow.addresses or ("",)
    }


def test_docs_list_every_port_and_flow() -> None:
    """The tables of docs/firewall.md are what the rooms name."""
    text = _DOCS.read_text()
    for name, table in (("in", _ports()), ("out", _flows())):
        start, end = f"<!-- {name} -->\n", f"<!-- /{name} -->\n"
        head, _, rest = text.partition(start)
        text = f"{head}{start}{table}{end}{rest.partition(end)[2]}"
    if os.environ.get("POSTOLKA_GOLDEN") == "write":
        _DOCS.write_text(text)
    assert _DOCS.read_text() == text


def _ports() -> str:
    found = [port for room in server.all_rooms() for port in room.ports if port.is_public]
    rows = [
        (str(port.number), port.protocol.upper(), port.name, port.tls, port.setting)
        for port in sorted(found, key=lambda port: port.number)
    ]
    return _table(("port", "protocol", "service", "TLS", "only with the setting"), rows)


def _flows() -> str:
    found = [flow for room in server.all_rooms() for flow in room.egress]
    rows = [
        (
            flow.user,
            flow.protocol.upper(),
            str(flow.port),
            ", ".join(flow.addresses) or "any",
            flow.why,
            flow.setting,
        )
        for flow in sorted(found, key=lambda flow: (flow.user, flow.protocol, str(flow.port)))
    ]
    return _table(("user", "protocol", "port", "to", "for", "only with the setting"), rows)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = (head, ("---",) * len(head), *rows)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def test_addresses_of_a_flow_are_for_its_user_alone() -> None:
    """They are refused to all others before any flow that goes anywhere."""
    output = _rules().partition("chain output")[2]
    for flow in egress(server.all_rooms(), Settings()):
        for address in flow.addresses:
            refusal = output.index(f"daddr {address} goto refused")
            places = [(bool(m[1]), m.start()) for m in _OUT.finditer(output)]
            assert all((place < refusal) == is_limited for is_limited, place in places)


def test_every_chain_drops_by_default() -> None:
    """In, out and through: what no rule names is dropped."""
    hooks = re.findall(r"hook (\w+) priority filter; policy (\w+);", _rules())
    assert hooks == [("input", "drop"), ("forward", "drop"), ("output", "drop")]


def test_every_rule_has_a_counter_by_name() -> None:
    """What was let through and what wasn't can be told apart; loopback isn't counted."""
    rules = _rules()
    verdicts = re.findall(r"^.* (?:accept|drop|reject.*)$", rules, re.MULTILINE)
    assert [line.strip() for line in verdicts if "counter name" not in line] == [
        'iif "lo" accept',
        'oif "lo" accept',
    ]
    declared = Counter(re.findall(r"^    counter (\S+) {", rules, re.MULTILINE))
    assert set(declared.values()) == {1}
    assert set(declared) == set(re.findall(r'counter name "(\S+)"', rules))


def test_connections_are_limited_as_set() -> None:
    """New ones, from each address to each open port."""
    settings = replace(Settings(), nftables=NftablesSettings(connections_per_minute=99))
    assert _rules(settings).count("limit rate over 99/minute burst 99 packets") == 2
    (ports,) = re.findall(r"tcp dport {(.*)} jump limited", _rules())
    assert [int(port) for port in ports.split(",")] == server.public_tcp_ports(Settings())


def test_instance_opens_what_its_data_name() -> None:
    """The ports of relay hosts and of a database elsewhere; none where there are none."""
    assert "add element" not in golden.rendered(nftables)[_FLOWS]
    database = replace(golden.DATABASE, host="db.example.test", port=3316)
    relays = (Relay(host="a.example"), Relay(host="b.example", port=465))
    instance = replace(golden.EXAMPLE, database=database, relays=relays)
    text = golden.rendered(nftables, instance)[_FLOWS]
    golden.check("nftables", _FLOWS, text)
    sets = dict.fromkeys(re.findall(r"flush set inet postolka (\w+)", text))
    assert sets == dict.fromkeys(
        flow.port for flow in egress(server.all_rooms(), Settings()) if isinstance(flow.port, str)
    )


def test_apt_gets_out_only_where_it_is_used() -> None:
    """nftables.apt on: apt's account may fetch packages; an image never does."""
    settings = replace(Settings(), nftables=NftablesSettings(apt=True))
    assert 'skuid "_apt"' in _rules(settings)
    assert 'skuid "_apt"' not in _rules()


def test_a_session_survives_the_loading_of_the_rules() -> None:
    """What sshd says in a connection that conntrack hasn't seen goes out; it can't open one."""
    rule = 'tcp sport 22 tcp flags & syn == 0 counter name "out.sessions" accept'
    output = _rules().partition("chain output")[2]
    assert rule in output
    assert output.index(rule) < output.index("goto refused")
    assert "tcp sport" not in output.replace(rule, "")
