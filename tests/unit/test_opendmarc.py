"""OpenDMARC's configuration, and what the milter behind it makes of a verdict."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from postolka.dmarc import suffixes
from postolka.dmarc.judge import Mail, OnFailure, Outcome, Policy, UnknownError, judge
from postolka.instance.model import Dmarc
from pyinfra_deploys import opendmarc
from pyinfra_deploys.sections import OpendmarcSettings
from pyinfra_deploys.settings import Settings
from tests.unit import golden

_HOST = "mail.example.test"
_RULES = suffixes.read(
    ["// a comment", "", "com", "uk", "co.uk", "*.ck", "!www.ck", "example.co.uk // private"]
)


def _record(domain: str) -> str | None:
    if domain.startswith("silent"):
        raise UnknownError("SERVFAIL")
    return {"bank.com": "v=DMARC1; p=reject; pct=40; rua=mailto:x@bank.com"}.get(domain)


def _judge(
    *results: str,
    authors: tuple[str, ...] = ("Boss <boss@bank.com>",),
    on_failure: OnFailure = "reject",
    drawn: int = 0,
) -> Outcome:
    policy = Policy(
        authserv_id=_HOST,
        on_failure=on_failure,
        record=_record,
        organisation=lambda domain: suffixes.organisation(domain, _RULES),
        draw=lambda: drawn,
    )
    return judge(Mail(authors=authors, results=results), policy)


def _dmarc(verdict: str, author: str = "bank.com") -> str:
    return f" {_HOST}; dmarc={verdict} header.from={author}"


@pytest.mark.parametrize(
    "path",
    [
        "/etc/opendmarc.conf",
        "/etc/opendmarc/ignore.hosts",
        "/etc/opendmarc/private_suffixes",
        "/usr/lib/systemd/system/opendmarc.service.d/10-postolka.conf",
        "/usr/lib/systemd/system/dmarc-policy.service",
    ],
)
def test_configuration_is_golden(path: str) -> None:
    """The milters' configuration is the one that was read and tried."""
    golden.check("opendmarc", path, golden.baked(opendmarc)[path])


def test_data_and_setting_reach_the_milter() -> None:
    """Trusted forwarders are data, what a failure does is a setting."""
    instance = replace(
        golden.EXAMPLE, dmarc=Dmarc(trusted_forwarders=("198.51.100.7", "2001:db8:7::/48"))
    )
    settings = replace(Settings(), opendmarc=OpendmarcSettings(dmarc_failure="spam-folder"))
    text = golden.rendered(opendmarc, instance, settings)["/etc/opendmarc/policy.json"]
    data = json.loads(text)
    assert data["authserv_id"] == _HOST
    assert data["on_failure"] == "spam-folder"
    assert data["trusted"] == ["198.51.100.7", "2001:db8:7::/48", "127.0.0.0/8", "::1/128"]


@pytest.mark.parametrize(
    ("verdict", "on_failure", "action"),
    [
        ("pass (p=reject dis=none)", "reject", "pass"),
        ("fail (p=none dis=none)", "reject", "pass"),
        ("fail (p=quarantine dis=none)", "reject", "spam"),
        ("fail (p=quarantine dis=none)", "spam-folder", "spam"),
        ("fail (p=reject dis=none)", "reject", "refuse"),
        ("fail (p=reject dis=none)", "spam-folder", "spam"),
        ("permerror", "reject", "pass"),
    ],
)
def test_verdict_is_acted_on(verdict: str, on_failure: OnFailure, action: str) -> None:
    """The policy's wish and the setting decide together."""
    assert _judge(_dmarc(verdict), on_failure=on_failure).action == action


def test_no_policy_counts_only_where_the_dns_says_so() -> None:
    """`none` may mean that nobody could look: only without a record does a mail pass."""
    assert _judge(_dmarc("none", "quiet.com")).action == "pass"
    assert _judge(_dmarc("none", "silent.com")).action == "defer"
    assert _judge(_dmarc("none", "x.silent.com")).action == "defer"
    assert _judge(_dmarc("none", "bank.com")).action == "defer"
    assert _judge(_dmarc("none", "news.bank.com")).action == "defer"


@pytest.mark.parametrize("spf", ["tempfail", "temperror"])
def test_nothing_is_refused_for_what_could_not_be_looked_up(spf: str) -> None:
    """A failure that SPF might have prevented is put off."""
    results = (_dmarc("fail (p=reject dis=none)"), f" {_HOST}; spf={spf} smtp.mailfrom=bank.com")
    assert _judge(*results).action == "defer"
    assert _judge(_dmarc("pass (p=reject dis=none)"), results[1]).action == "pass"


def test_policy_for_a_part_of_the_mail_is_drawn() -> None:
    """pct=40 refuses forty of a hundred (RFC 7489, 6.3)."""
    fails = _dmarc("fail (p=reject dis=none)")
    assert [_judge(fails, drawn=number).action for number in (0, 39, 40, 99)] == [
        "refuse",
        "refuse",
        "pass",
        "pass",
    ]


def test_results_of_others_are_not_believed() -> None:
    """Only the server's own name counts, and of its results the newest."""
    forged = " other.example; dmarc=pass (p=reject dis=none) header.from=bank.com"
    fails = _dmarc("fail (p=reject dis=none)")
    passes = _dmarc("pass (p=reject dis=none)")
    assert _judge(forged).action == "refuse"
    assert _judge(forged, fails).action == "refuse"
    assert _judge(fails, passes).action == "refuse"


@pytest.mark.parametrize(
    ("authors", "action"),
    [
        ((), "pass"),
        (("undisclosed",), "pass"),
        (("a@b@c <>",), "refuse"),
        (("a@one.test", "b@two.test"), "refuse"),
    ],
)
def test_author_that_can_not_be_judged(authors: tuple[str, ...], action: str) -> None:
    """Who names no domain spoofs none; who hides it, or names two, is refused."""
    assert _judge(authors=authors).action == action


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("a.b.bank.com", "bank.com"),
        ("bank.com", "bank.com"),
        ("com", "com"),
        ("a.b.co.uk", "b.co.uk"),
        ("x.y.example.co.uk", "y.example.co.uk"),
        ("a.b.c.ck", "b.c.ck"),
        ("a.www.ck", "www.ck"),
        ("Mail.Unlisted.", "mail.unlisted"),
        ("a.mail.unlisted", "a.mail.unlisted"),
    ],
)
def test_organisations_domain_is_found(domain: str, expected: str) -> None:
    """As the public suffix list's own rules say, wildcards and exceptions too."""
    assert suffixes.organisation(domain, _RULES) == expected


def test_no_port_is_public() -> None:
    """The milters are for Postfix, on loopback."""
    assert not any(port.is_public for port in opendmarc.PORTS)
