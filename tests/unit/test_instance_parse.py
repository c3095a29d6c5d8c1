"""Instance data: good ones become a model, of bad ones every problem is told, and none gets by."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postolka.errors import ProblemsError
from postolka.instance import grammar
from postolka.instance.parse import parse
from postolka.instance.secret import Secret
from tests.unit import instances

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from postolka.instance.model import Instance

#: Characters with which a value could leave its place in some daemon's file.
_SAFE = re.compile(r"[A-Za-z0-9.@:/_~+=-]*")
ATTACKS = (
    "a\nb", "a\rb", "a b", 'a"b', "a'b", "a%b", "a$b", "a`b", "a\\b", "a;b", "a#b", "a{b", "a}b",
    "a\0b", "a\tb", "a,b", "a<b", "a&b", "a|b", "a*b", "a?b", "a\u2028b", "ä", "",
)  # fmt: skip


def problems(values: object) -> dict[str, str]:
    """Return what is wrong with plain values, by path."""
    with pytest.raises(ProblemsError) as caught:
        parse(instances.dumped(values))
    return {problem.path: problem.text for problem in caught.value.problems}


def test_data_of_instance_new_are_good() -> None:
    """User-data and the document alone give the same model."""
    instance = parse(instances.made().user_data)
    assert instance == parse(instances.yaml_data())
    assert instance.hostname == "mail.example.test"
    assert (instance.ipv4, instance.ipv6) == (("192.0.2.25",), ("2001:db8::25",))
    assert [account.address for account in instance.accounts] == [
        "alice@example.test",
        "bob@example.test",
    ]
    assert [key.algorithm for key in instance.domains[0].signing_keys] == ["rsa", "ed25519"]


def test_every_problem_is_told_at_once_with_its_path() -> None:
    """One run names them all, wherever in the document they are."""
    values = instances.data(format=2, hostname="Mail", unknown=1, tls=None)
    values["domains"]["example.test"]["dkim"][1]["algorithm"] = "rot13"
    values["accounts"][0]["address"] = "alice@elsewhere.test"
    values["database"]["postfix"] = "short"
    found = problems(values)
    assert set(found) == {
        "format",
        "hostname",
        "unknown",
        "tls",
        'domains["example.test"].dkim[1].algorithm',
        'domains["example.test"].dkim[1].private_key',
        "database.postfix",
    }
    values = instances.data()
    values["accounts"][1]["address"] = "bob@elsewhere.test"
    assert problems(values) == {
        "accounts[1].address": '"bob@elsewhere.test" is in none of the domains'
    }


def _to(domain: str) -> dict[str, str]:
    return {"domain": domain, "host": "c.test", "reason": "why not", "until": "2030-01-31"}


def _exception(kind: str, **fields: str) -> dict[str, Any]:
    """Return an exception as it stands in data."""
    return {"exceptions": {kind: [{"reason": "why not", "until": "2030-01-31", **fields}]}}


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"serial": 0}, "serial"),
        ({"serial": True}, "serial"),
        ({"serial": "1"}, "serial"),
        ({"hostname": 7}, "hostname"),
        ({"hostname": "mail"}, "hostname"),
        ({"hostname": f"{'a' * 60}.test"}, "hostname"),
        ({"addresses": "192.0.2.1"}, "addresses"),
        ({"addresses": ["192.0.2.1", "127.0.0.1"]}, "addresses[1]"),
        ({"addresses": ["2001:DB8::1"]}, "addresses[0]"),
        ({"domains": {}}, "domains"),
        ({"domains": {"a b": {"dkim": []}}}, 'domains["a b"]'),
        ({"domains": {"example.test": {"dkim": []}}}, 'domains["example.test"].dkim'),
        ({"admin": {"address": "x"}}, "admin.password_hash"),
        ({"acme": {}}, "acme.enabled"),
        ({"acme": {"enabled": True, "directory": "http://ca.test/"}}, "acme.directory"),
        ({"acme": {"enabled": False, "ca_certificate": "AAAA"}}, "acme.ca_certificate"),
        ({"dns": {"root_hints": []}}, "dns.trust_anchors"),
        ({"dmarc": {}}, "dmarc.trusted_forwarders"),
        ({"dmarc": {"trusted_forwarders": ["lists.test"]}}, "dmarc.trusted_forwarders[0]"),
        ({"dmarc": {"trusted_forwarders": ["192.0.2.1/24"]}}, "dmarc.trusted_forwarders[0]"),
        ({"dmarc": {"trusted_forwarders": ["0.0.0.0/0"]}}, "dmarc.trusted_forwarders[0]"),
        ({"dmarc": {"trusted_forwarders": ["127.0.0.0/8"]}}, "dmarc.trusted_forwarders[0]"),
        ({"ntp": ["ntp"]}, "ntp[0]"),
        ({"authorities": ["AAAA"]}, "authorities[0]"),
        ({"relays": [{"host": "a.test", "destinations": ["example.test"]}]}, "relays"),
        ({"dqs_key": "short"}, "dqs_key"),
        (
            {"exceptions": {"tls": [{"domain": "a.test", "level": "may"}]}},
            "exceptions.tls[0].reason",
        ),
        (_exception("tls", domain="a.test", level="may", until="soon"), "exceptions.tls[0].until"),
        (_exception("tls", domain="a.test", level="secure"), "exceptions.tls[0].level"),
        (
            _exception("tls", domain="a.test", level="may", reason="a\nb"),
            "exceptions.tls[0].reason",
        ),
        (_exception("transports", domain="example.test", host="b.test"), "exceptions.transports"),
        (
            {
                "relays": [{"host": "a.test", "destinations": ["b.test"]}],
                **_exception("transports", domain="b.test", host="c.test"),
            },
            "exceptions.transports",
        ),
        (
            {
                "exceptions": {
                    **_exception("tls", domain="a.test", level="may")["exceptions"],
                    "transports": [_to("a.test"), _to("b.test")],
                }
            },
            "exceptions.tls",
        ),
        (
            _exception("blocked_clients", network="0.0.0.0/0"),
            "exceptions.blocked_clients[0].network",
        ),
        (_exception("blocked_senders", sender="x y"), "exceptions.blocked_senders[0].sender"),
        (
            _exception("headers", header="X Y", contains="x", action="hold"),
            "exceptions.headers[0].header",
        ),
        (
            _exception("headers", header="X", contains="x\n/ OK", action="hold"),
            "exceptions.headers[0].contains",
        ),
        ({"relays": [{"host": "a.test", "port": 2525}]}, "relays[0].port"),
        ({"relays": [{"host": "a.test", "user": "x"}]}, "relays[0]"),
        ({"relays": [{"host": "a.test", "user": "a:b", "password": "x"}]}, "relays[0].user"),
        (
            {"relays": [{"host": "a.test", "user": "x", "password": "x", "tls": "may"}]},
            "relays[0]",
        ),
        ({"relays": [{"host": "a.test", "port": 465, "tls": "may"}]}, "relays[0]"),
        ({"relays": [{"host": "a.test"}, {"host": "b.test"}]}, "relays"),
        ({"relays": [{"host": "a.test", "senders": ["x y"]}]}, "relays[0].senders[0]"),
        (
            {"relays": [{"host": f"{n}.test", "destinations": ["x.test"]} for n in "ab"]},
            "relays",
        ),
        (
            {"relays": [{"host": "a.test"}, {"host": "a.test", "destinations": ["x.test"]}]},
            "relays",
        ),
        ({"postscreen": {"access": ["198.51.100.1/24"]}}, "postscreen.access[0]"),
        ({"postscreen": {"dnsbl": [{"site": "zen"}]}}, "postscreen.dnsbl[0].site"),
        (
            {"postscreen": {"dnsbl": [{"site": "a.test", "answers": "127.0.0.2*9"}]}},
            "postscreen.dnsbl[0].answers",
        ),
        ({"filters": {"clamav_urls": ["http://a.test:81/x.ndb"]}}, "filters.clamav_urls[0]"),
        ({"filters": {"pyzor_servers": ["a.test:1"]}}, "filters.pyzor_servers[0]"),
        ({"filters": {"rule_channels": [{"name": "x"}]}}, "filters.rule_channels[0].name"),
        (
            {"filters": {"rule_channels": [{"name": "a.test", "fingerprint": "A" * 40}]}},
            "filters.rule_channels[0]",
        ),
        (
            {"filters": {"rule_channels": [{"name": "a.test", "key": "YQ=="}]}},
            "filters.rule_channels[0].key",
        ),
        ({"aliases": [{"address": "a@example.test", "targets": []}]}, "aliases[0].targets"),
        (
            {"aliases": [{"address": "bob@example.test", "targets": ["x@y.test"]}]},
            "aliases[0].address",
        ),
    ],
)
def test_wrong_value_is_named_by_its_path(changes: dict[str, Any], path: str) -> None:
    """Types, ranges and references are checked, each where it stands."""
    assert path in problems(instances.data(**changes))


@pytest.mark.parametrize("field", ["host", "ca_certificate"])
def test_database_elsewhere_is_vouched_for(field: str) -> None:
    """Neither a machine without its authority nor an authority without a machine."""
    values = instances.data()
    good = {"host": "db.example.test", "ca_certificate": instances.certificate()}
    values["database"] |= good
    found = parse(instances.dumped(values)).database_elsewhere
    assert found
    assert found.address == "db.example.test:3306"
    del values["database"][field]
    assert set(problems(values)) == {"database"}


def test_keys_are_those_that_they_should_be() -> None:
    """A key of another kind or size, or one that is no key, is refused."""
    values = instances.data()
    ed25519 = values["domains"]["example.test"]["dkim"][1]["private_key"]
    values["tls"] = {"key": ed25519, "next_key": "AAAA"}
    assert problems(values) == {
        "tls.key": "is not an ECDSA key on the curve P-256",
        "tls.next_key": "is not an unencrypted private key (PKCS#8 DER in base64)",
    }
    values = instances.data()
    values["tls"]["next_key"] = values["tls"]["key"]
    assert set(problems(values)) == {"tls"}


def test_key_is_written_as_encoders_write_it() -> None:
    """OpenSSH takes no key with more padding than it needs, which Python forgives."""
    values = instances.data()
    values["tls"]["key"] += "="
    assert problems(values) == {"tls.key": "is not base64 on one line"}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"- [",
        b"a: &x 1\nb: *x",
        b"serial: 1\nserial: 2",
        b"a: !!python/object:os.system x",
        b"a: !!int x",
        b"\0",
        b"\xff\xfe\x00",
        b"[" * 5000,
        b"#" * (1 << 21),
        b"a: 1\n---\nb: 2",
    ],
    ids=lambda text: repr(text[:20]),
)
def test_what_is_not_plain_yaml_is_refused(text: bytes) -> None:
    """No alias, no tag, no double key, no depth and no size brings the parser down."""
    with pytest.raises(ProblemsError):
        parse(text)


@pytest.mark.parametrize("count", [0, 2])
def test_user_data_hold_exactly_one_part(count: int) -> None:
    """None, or two that may contradict each other, are refused."""
    part = "--x\nContent-Type: text/x-postolka-instance\n\nformat: 1\n"
    text = f'Content-Type: multipart/mixed; boundary="x"\n\n{part * count}--x--\n'
    with pytest.raises(ProblemsError, match=f"has {count} parts of type text/x-postolka-instance"):
        parse(text.encode())


@given(st.binary(max_size=300))
def test_any_bytes_end_in_a_model_or_in_problems(text: bytes) -> None:
    """Nothing but ProblemsError ever leaves the parser."""
    with pytest.raises(ProblemsError):
        parse(text)


_plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(sorted(instances.data())), _plain)
def test_any_value_in_any_field_ends_in_a_model_or_in_problems(name: str, value: object) -> None:
    """A field of another shape is a problem, never a crash."""
    try:
        parse(instances.dumped(instances.data() | {name: value}))
    except ProblemsError as error:
        assert error.problems  # noqa: PT017 - either end is fine


@pytest.mark.parametrize(
    "check",
    [
        grammar.dns_name,
        grammar.hostname,
        grammar.selector,
        grammar.address,
        grammar.host_or_address,
        grammar.network,
        grammar.local_part,
        grammar.mailbox,
        grammar.mail_target,
        grammar.password,
        grammar.url,
        grammar.digest,
        grammar.dqs_key,
        grammar.relay_sender,
        grammar.relay_user,
    ],
)
def test_grammar_leaves_no_room_for_syntax(check: Callable[[str], str | None]) -> None:
    """What a grammar passes holds no white space, quote, %, $, backtick or anything like them."""

    @given(st.text() | st.from_regex(r"[a-z0-9.@:/\s\"'%$`\\-]{1,40}"))
    def prove(text: str) -> None:
        assert check(text) is not None or _SAFE.fullmatch(text)

    prove()


def replaced(value: object, change: Callable[[str], str]) -> object:
    """Return plain values with every text in them changed."""
    if isinstance(value, dict):
        return {name: replaced(child, change) for name, child in value.items()}
    if isinstance(value, list):
        return [replaced(child, change) for child in value]
    return change(value) if isinstance(value, str) else value


def texts(value: object, path: str = "") -> Iterator[str]:
    """Yield the path of every text in plain values."""
    if isinstance(value, dict):
        for name, child in value.items():
            step = f'["{name}"]' if "." in name else f".{name}" if path else name
            yield from texts(child, f"{path}{step}")
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from texts(child, f"{path}[{index}]")
    elif isinstance(value, str):
        yield path


@pytest.mark.parametrize("attack", ATTACKS)
def test_attack_is_refused_in_every_text(attack: str) -> None:
    """Whatever text of the document it replaces or ends, it is a problem there."""
    values = instances.data()
    for change in (lambda _: attack, lambda text: f"{text}{attack or chr(10)}"):
        assert set(texts(values)) <= set(problems(replaced(values, change)))


def test_attack_is_refused_as_a_domain() -> None:
    """Domains are keys of a mapping, and checked like values."""
    dkim = instances.data()["domains"]["example.test"]
    for attack in ATTACKS:
        with pytest.raises(ProblemsError):
            parse(instances.dumped(instances.data(domains={f"{attack}.test": dkim})))


def test_secrets_show_in_no_repr_and_no_problem() -> None:
    """Neither a model in a traceback nor an error about a wrong key quotes it."""
    instance = parse(instances.yaml_data())
    values = instances.data()
    secrets = [
        values["tls"]["key"],
        values["database"]["postfix"],
        values["admin"]["password_hash"],
        values["domains"]["example.test"]["dkim"][0]["private_key"],
    ]
    assert not [secret for secret in secrets if secret in repr(instance)]
    values["tls"]["key"] = "hunter2"
    values["database"]["postfix"] = "hunter2 "
    values["admin"]["password_hash"] = "hunter2"
    assert "hunter2" not in str(problems(values))
    assert repr(Secret("hunter2")) == "'***'"
    assert f"{Secret('hunter2')}" == "hunter2"


def _instance(**changes: object) -> Instance:
    return parse(instances.dumped(instances.data(**changes)))


def test_roles_of_every_domain_reach_the_admin() -> None:
    """postmaster, abuse and the others exist, unless a mailbox or alias of that name does."""
    alias = {"address": "abuse@example.test", "targets": ["bob@example.test"]}
    aliases = {item.address: item.targets for item in _instance(aliases=[alias]).all_aliases}
    assert aliases["postmaster@example.test"] == ("admin@example.test",)
    assert aliases["abuse@example.test"] == ("bob@example.test",)
    assert "admin@example.test" in [item.address for item in _instance().mailboxes]


def test_admin_elsewhere_has_no_mailbox_here() -> None:
    """Mail to the roles is then sent on."""
    admin = {**instances.data()["admin"], "address": "me@elsewhere.test"}
    instance = _instance(admin=admin)
    assert [item.local_part for item in instance.mailboxes] == ["alice", "bob"]
    assert instance.all_aliases[0].targets == ("me@elsewhere.test",)
