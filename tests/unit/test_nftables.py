"""The firewall's ruleset."""

from __future__ import annotations

import re
from dataclasses import replace

from pyinfra_deploys import nftables, server
from pyinfra_deploys.room import egress
from pyinfra_deploys.settings import NftablesSettings, Settings
from tests.unit import golden

_PATH = "/etc/nftables.conf"


def _rules(settings: Settings | None = None) -> str:
    return golden.baked(nftables, settings)[_PATH].decode()


def test_every_public_port_is_open_and_no_other() -> None:
    """What is let in is what the rooms name."""
    found = set(re.findall(r"^ +(tcp|udp) dport (\d+) counter accept", _rules(), re.MULTILINE))
    wanted = {(p.protocol, str(p.number)) for p in server.ports(Settings()) if p.is_public}
    assert found == wanted


def test_every_outgoing_flow_is_its_users_alone() -> None:
    """What is let out is what the rooms name, and only for who needs it."""
    settings = Settings()
    found = set(re.findall(r'skuid "([\w-]+)" (?:ip6? daddr \S+ )?(\w+) dport (\d+)', _rules()))
    flows = egress(server.all_rooms(), settings)
    assert found == {(flow.user, flow.protocol, str(flow.port)) for flow in flows}


def test_every_chain_drops_by_default() -> None:
    """In, out and through: what no rule names is dropped."""
    hooks = re.findall(r"hook (\w+) priority filter; policy (\w+);", _rules())
    assert hooks == [("input", "drop"), ("forward", "drop"), ("output", "drop")]


def test_apt_gets_out_only_where_it_is_used() -> None:
    """nftables.apt on: apt's account may fetch packages; an image never does."""
    settings = replace(Settings(), nftables=NftablesSettings(apt=True))
    assert 'skuid "_apt"' in _rules(settings)
    assert 'skuid "_apt"' not in _rules()


def test_a_session_survives_the_loading_of_the_rules() -> None:
    """What sshd says in a connection that conntrack hasn't seen goes out; it can't open one."""
    rule = "tcp sport 22 tcp flags & syn == 0 counter accept"
    output = _rules().partition("chain output")[2]
    assert rule in output
    assert output.index(rule) < output.index("counter reject")
    assert "tcp sport" not in output.replace(rule, "")
