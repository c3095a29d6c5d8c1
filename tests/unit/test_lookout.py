"""What others see of a server, judged by what the DNS and the network answer."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from postolka.errors import PostolkaError
from postolka.instance import dns, parse
from postolka.instance.transport import Dnsbl
from postolka.live import Answer
from postolka.lookout import blocklists, facts, look, names, outgoing, route, zone
from postolka.published import Difference
from pyinfra_deploys import server
from pyinfra_deploys.settings import Settings
from tests.unit import instances

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from postolka.instance.checks.check import Check

_HOST = "mail.example.test"
_LIST = Dnsbl(site="zen.spamhaus.org", answers="127.0.0.[2..11]", weight=3)
_OURS = ("192.0.2.25", "2001:db8::25")


def _asking(answers: Mapping[tuple[str, str], tuple[str, ...]]) -> Callable[[str, str], Answer]:
    return lambda name, kind: Answer(values=answers.get((name, kind), ()))


def _silent(name: str, kind: str) -> Answer:
    raise PostolkaError("127.0.0.1", f"no answer about {name} {kind} in 15 s")


def _said(check: Check) -> list[str]:
    return [str(item) for item in (*check.problems, *check.warnings)]


def _facts() -> facts.Facts:
    return facts.make(parse.parse(instances.yaml_data()), server.house(Settings()))


def test_facts_hold_no_secret() -> None:
    """They are read by an account that may know nothing, and come back whole."""
    made = _facts()
    text = json.dumps(made.as_data())
    assert facts.load(json.loads(text)) == made
    instance = parse.parse(instances.yaml_data())
    assert instance.database
    secrets = [instance.tls.key, instance.tls.next_key, instance.database.postfix]
    secrets += [key.private_key for domain in instance.domains for key in domain.dkim]
    assert not any(str(secret) in text for secret in secrets)
    assert made.probes == ("gmail.com", "outlook.com")


@pytest.mark.parametrize(
    ("answer", "wanted", "does_count"),
    [
        ("127.0.0.4", "127.0.0.[2..11]", True),
        ("127.0.0.12", "127.0.0.[2..11]", False),
        ("127.0.0.9", "127.0.0.[2;9]", True),
        ("127.0.0.3", "127.0.0.[2;9]", False),
        ("127.0.1.2", "127.0.0.2", False),
        ("127.0.1.2", "", True),
        ("192.0.2.1", "", False),
    ],
)
def test_answers_of_a_list_count_as_postfix_has_it(
    answer: str, wanted: str, *, does_count: bool
) -> None:
    """The filter beside the list's name."""
    assert blocklists.counts(answer, wanted) is does_count


def test_list_that_has_the_server_is_told() -> None:
    """Each of its addresses is asked for; a list of good ones is none to fear."""
    reversed_v6 = ".".join("5200000000000000000000008bd01002")
    ask = _asking({(f"{reversed_v6}.zen.spamhaus.org.", "A"): ("127.0.0.4",)})
    check = blocklists.check([_LIST], _OURS, ask)
    assert _said(check) == ["zen.spamhaus.org: lists 2001:db8::25: 127.0.0.4"]
    assert check.text == "1 of 1 has this server"
    assert _said(blocklists.check([replace(_LIST, weight=-2)], _OURS, ask)) == []
    assert _said(blocklists.check([_LIST], _OURS[:1], ask)) == []
    assert blocklists.check([], _OURS, ask).text == "none is named"


def test_list_that_refuses_is_told_by_the_name_that_is_no_secret() -> None:
    """127.255.255.254: it takes this server's resolver for a public one. That is no listing."""
    keyed = replace(_LIST, site="secret.zen.dq.spamhaus.net", answers="")
    ask = _asking(
        {
            ("2.0.0.127.secret.zen.dq.spamhaus.net.", "A"): ("127.255.255.254",),
            ("25.2.0.192.secret.zen.dq.spamhaus.net.", "A"): ("127.255.255.254",),
        }
    )
    (said,) = _said(blocklists.check([keyed], _OURS, ask))
    assert said.startswith("zen.spamhaus.org: answers 127.255.255.254, so it refuses this server")


def test_names_that_differ_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """HELO by the address that mail leaves by, PTR by each address, of both families."""
    sources = {"IPv4": _OURS[0], "IPv6": _OURS[1]}
    monkeypatch.setattr(route, "source", lambda family: sources[family.name])
    answers = {
        (f"{_HOST}.", "A"): (_OURS[0],),
        (f"{_HOST}.", "AAAA"): (_OURS[1],),
        ("25.2.0.192.in-addr.arpa.", "PTR"): (f"{_HOST}.",),
        (f"{'.'.join('5200000000000000000000008bd01002')}.ip6.arpa.", "PTR"): (f"{_HOST}.",),
    }

    def check(**changes: str) -> list[str]:
        changed: dict[tuple[str, str], tuple[str, ...]] = dict(answers)
        for kind, value in changes.items():
            key = next(key for key in answers if key[1] == kind)
            changed[key] = (value,) if value else ()
        ask = _asking(changed)
        return _said(names.check(_HOST, names.addresses(_HOST, ask), ask))

    assert check() == []
    assert check(PTR="") == [f"PTR: 192.0.2.25 has no name, not {_HOST}"]
    assert check(PTR="a.test.") == [f"PTR: 192.0.2.25 has a.test., not {_HOST}"]
    (said,) = check(AAAA="2001:db8::26")
    assert said.startswith("HELO: mail leaves by 2001:db8::25, which isn't an address of")
    # Behind a router: those that the DNS has count.
    sources["IPv4"] = "10.0.0.5"
    assert check() == []
    assert check(PTR="") == [f"PTR: 192.0.2.25 has no name, not {_HOST}"]
    sources |= {"IPv4": "", "IPv6": ""}
    assert check() == [f"HELO: no address of {_HOST} is known"]


@pytest.mark.parametrize(
    ("kind", "name", "expected", "found", "does_serve"),
    [
        ("TXT", "a.test.", "v=spf1 mx -all", f"v=spf1 a:{_HOST} include:b.test ~all", True),
        ("TXT", "a.test.", "v=spf1 mx -all", "v=spf1 MX ~all", True),
        ("TXT", "a.test.", "v=spf1 mx -all", "v=spf1 include:b.test -all", False),
        ("TXT", "_dmarc.a.test.", "v=DMARC1; p=reject", "v=DMARC1; p=none", True),
        ("TXT", "_dmarc.a.test.", "v=DMARC1; p=reject", "site=1", False),
        ("TXT", "_smtp._tls.a.test.", "v=TLSRPTv1; rua=a", "v=TLSRPTv1; rua=b", True),
        ("TXT", "x._domainkey.a.test.", "v=DKIM1; p=a", "v=DKIM1; p=b", False),
        ("CAA", "a.test.", '0 issue "a"', "", True),
        ("CAA", "a.test.", '0 issue "a"', '0 issue "b"', False),
        ("MX", "a.test.", "10 a.", "10 b.", False),
    ],
)
def test_what_a_domain_had_before_may_stay(
    kind: str, name: str, expected: str, found: str, *, does_serve: bool
) -> None:
    """As long as this server's mail passes by it."""
    item = Difference(name=name, type=kind, expected=(expected,), found=(found,) if found else ())
    assert zone.serves(item, _HOST) is does_serve
    assert not zone.serves(replace(item, failure="SERVFAIL"), _HOST)


def test_missing_records_are_named() -> None:
    """The first few, and how many more."""
    (said,) = _said(zone.check(_facts().wanted, _asking({})))
    assert said.startswith(
        "dns: not as it should be: mail.example.test. A, mail.example.test. AAAA"
    )
    assert "more; postolka dns check tells how" in said


@pytest.mark.parametrize(("ttl_seconds", "is_told"), [(300, True), (299, True), (3600, False)])
def test_short_ttl_is_told_once_all_is_well(ttl_seconds: int, *, is_told: bool) -> None:
    """It is for setting up; while a record is wrong it is what keeps the mistake short."""
    known = _facts()
    answers: dict[tuple[str, str], tuple[str, ...]] = {}
    for record in (*known.wanted.records, *dns.reverse(_HOST, known.wanted.addresses)):
        values = answers.get((record.name, record.type), ())
        answers[record.name, record.type] = (*values, record.value)

    def ask(name: str, kind: str) -> Answer:
        return Answer(values=answers.get((name, kind), ()), ttl_seconds=ttl_seconds)

    assert ("raise their TTL: --ttl 3600" in zone.check(known.wanted, ask).text) is is_told
    answers["example.test.", "MX"] = ()
    assert "raise" not in zone.check(known.wanted, ask).text


def test_nobody_who_answers_stops_no_other_question() -> None:
    """Each subject says that it can't be known; nothing is raised."""
    checks = list(look.look(_facts(), _silent))
    assert [check.name for check in checks] == ["outgoing", "names", "lists", "dns"]
    assert all("no answer" in " ".join(_said(check)) for check in checks if check.name != "lists")


def test_server_without_a_mail_server_to_try_is_told() -> None:
    """Nobody can say then whether mail can leave."""
    check = outgoing.check(_facts(), _asking({}))
    assert _said(check) == ["port 25: no mail server is known of gmail.com or outlook.com"]
