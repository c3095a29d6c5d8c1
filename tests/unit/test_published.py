"""Comparing with what is live: every difference is found, and what makes none is none."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import dns.rdatatype
import dns.zone
import pytest

from postolka import listening, live, published
from postolka.instance import dns as records
from postolka.live import Answer
from tests.unit.golden import EXAMPLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from postolka.instance.model import Instance

_FRAME = ". 1 IN SOA ns. hostmaster. 1 1 1 1 1\n. 1 IN NS ns.\nns. 1 IN A 192.0.2.1\n"


def _text() -> str:
    """Return everything that EXAMPLE needs, reverse names included."""
    reverse = records.reverse(EXAMPLE.hostname, EXAMPLE.addresses)
    lines = [f"{item.name} 300 IN {item.type} {item.data}\n" for item in reverse]
    return records.zone(EXAMPLE, listening.ports()) + "".join(lines)


def _asking(text: str, *, is_authentic: bool = True) -> Callable[[str, str], Answer]:
    """Return what answers from a zone's text."""
    zone = dns.zone.from_text(_FRAME + text, origin=".", relativize=False)

    def ask(name: str, kind: str) -> Answer:
        found = zone.get_rdataset(name, dns.rdatatype.from_text(kind))
        values = tuple(sorted(map(live.value, found or ())))
        return Answer(values=values, is_authentic=is_authentic)

    return ask


def _wanted(instance: Instance = EXAMPLE) -> published.Wanted:
    return published.Wanted.of(instance, records.records(instance, listening.ports()))


def _compared(text: str, instance: Instance = EXAMPLE) -> published.Report:
    return published.compare(_wanted(instance), _asking(text))


def test_what_should_be_published_is_no_difference() -> None:
    """The zone's own text, with every record looked up."""
    report = _compared(_text())
    assert report.differences == ()
    assert report.checked > 30
    assert report.dnssec == {
        "example.test": True,
        "example.net": True,
        "mail.example.test": True,
    }


@pytest.mark.parametrize(
    "line", [line for line in _text().splitlines() if line and not line.startswith(";")]
)
def test_every_missing_record_is_named(line: str) -> None:
    """Alone, with what is expected."""
    name, _, _, kind, *_ = line.split()
    (difference,) = _compared(_text().replace(f"\n{line}\n", "\n")).differences
    assert (difference.name, difference.type, difference.found) == (name, kind, ())
    assert len(difference.expected) == 1


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ("mail.example.test. 1 IN A 192.0.2.26", "A"),
        ("example.test. 1 IN MX 20 mx.old.example.", "MX"),
        ('example.test. 1 IN TXT "v=spf1 +all"', "TXT"),
        ('_dmarc.example.test. 1 IN TXT "v=DMARC1; p=none"', "TXT"),
        ('example.test. 1 IN CAA 0 issue "ca.example"', "CAA"),
        (f"_25._tcp.mail.example.test. 1 IN TLSA 3 1 1 {'0' * 64}", "TLSA"),
    ],
)
def test_record_too_many_is_a_difference(more: str, kind: str) -> None:
    """Mail goes there, or receivers doubt."""
    (difference,) = _compared(f"{_text()}{more}\n").differences
    assert difference.type == kind
    assert set(difference.found) > set(difference.expected)


def test_address_of_the_other_family_is_a_difference() -> None:
    """Where the data name IPv4 alone, an AAAA record leads mail astray."""
    instance = dataclasses.replace(EXAMPLE, addresses=("192.0.2.25",))
    (difference,) = _compared(_text(), instance).differences
    assert (difference.type, difference.expected) == ("AAAA", ())
    assert difference.found == ("2001:db8::25",)


def test_server_without_addresses_in_its_data_has_those_that_are_live() -> None:
    """Their reverse names are looked at; none at all is a difference."""
    instance = dataclasses.replace(EXAMPLE, addresses=())
    assert _compared(_text(), instance).differences == ()
    named = _text().replace("PTR mail.example.test.", "PTR other.example.test.")
    assert [item.type for item in _compared(named, instance).differences] == ["PTR", "PTR"]
    lines = _text().splitlines(keepends=True)
    bare = "".join(line for line in lines if " IN A" not in line)
    (difference,) = _compared(bare, instance).differences
    assert difference.failure == "an address of the server is missing, A or AAAA"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("v=DMARC1; p=reject; rua=", "v=DMARC1;p=reject ; rua="),
        ("rua=mailto:postmaster@example.net", "rua=mailto:postmaster@example.net;"),
        ("v=DKIM1; k=ed25519; p=", "v=DKIM1;k=ed25519;p="),
        ("v=spf1 mx -all", "v=SPF1  MX -all"),
        ("IN MX 10 mail.", "IN MX 10 MAIL."),
    ],
)
def test_spelling_is_no_difference(old: str, new: str) -> None:
    """As web forms change it, where it means the same."""
    assert old in _text()
    assert _compared(_text().replace(old, new)).differences == ()


def test_texts_of_others_are_no_difference() -> None:
    """A domain's own name has more of them than SPF."""
    text = _text() + 'example.test. 1 IN TXT "site-verification=1234"\n'
    assert _compared(text).differences == ()


def test_answer_that_is_none_is_a_difference() -> None:
    """With why, whatever the values would have been."""
    ask = _asking(_text())

    def failing(name: str, kind: str) -> Answer:
        return Answer(failure="SERVFAIL") if kind == "MX" else ask(name, kind)

    report = published.compare(_wanted(), failing)
    assert {(item.type, item.failure) for item in report.differences} == {("MX", "SERVFAIL")}
    assert report.dnssec["example.net"] is False


def test_what_nobody_vouches_for_is_told() -> None:
    """It is no difference: a zone without DNSSEC works, but DANE doesn't."""
    report = published.compare(_wanted(), _asking(_text(), is_authentic=False))
    assert report.differences == ()
    assert set(report.dnssec.values()) == {False}


def test_what_a_domain_has_is_read() -> None:
    """Its mail servers, and the texts that count, among others."""
    text = (
        "example.test. 1 IN MX 5 mx.old.example.\n"
        'example.test. 1 IN TXT "v=spf1 include:old.example ~all"\n'
        'example.test. 1 IN TXT "v=spf10"\n'
        '_dmarc.example.test. 1 IN TXT "v=DMARC1; p=quarantine"\n'
        '_dmarc.example.test. 1 IN TXT "hello"\n'
        '_smtp._tls.example.net. 1 IN TXT "v=TLSRPTv1; rua=mailto:a@b.example"\n'
        '_mta-sts.example.net. 1 IN TXT "v=STSv1; id=1"\n'
    )
    found = live.read(["example.test", "example.net"], _asking(text))
    assert found == {
        "example.test": records.Live(
            mx=("mx.old.example",),
            spf="v=spf1 include:old.example ~all",
            dmarc="v=DMARC1; p=quarantine",
        ),
        "example.net": records.Live(tlsrpt="v=TLSRPTv1; rua=mailto:a@b.example", has_mtasts=True),
    }


@pytest.mark.parametrize(
    ("spf", "problem"),
    [
        ("", None),
        ("v=spf1 include:old.example ~all", None),
        ("v=spf1 ip5:1 -all", '"ip5:1" is no term'),
        (f"v=spf1 {'a:x.example ' * 9}include:old.example ~all", "it takes 11 lookups"),
    ],
)
def test_spf_record_that_counts_for_nothing_is_told(spf: str, problem: str | None) -> None:
    """Also one that this server's own term makes too long, others' records included."""
    ask = _asking('old.example. 1 IN TXT "v=spf1 ip4:192.0.2.0/24 -all"\n')
    found = live.problems({"example.test": records.Live(spf=spf)}, "mail.example.test", ask)
    told = "example.test: its SPF record, with this server in it: "
    assert [item.startswith(f"{told}{problem}") for item in found] == [True] * bool(problem)
