"""What is to be ordered from an authority, and when; what it can prove, and what comes back."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from postolka.acme import leads, outcome, request
from postolka.errors import PostolkaError
from postolka.instance import chain, keys
from postolka.instance.acme import plan
from postolka.instance.authority import DnsUpdate
from postolka.instance.parse import parse
from postolka.instance.secret import Secret
from postolka.live import Answer
from tests.unit import instances
from tests.unit.authority import HOST, OTHERS, Authority, enabled, resolver

if TYPE_CHECKING:
    from pathlib import Path

    from postolka.instance.model import Instance

_BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
_NOW = _BEGIN.timestamp()
_DAY = 86400.0
_LOG = """\
uacme: the server reported the following error:
{
    "type": "urn:ietf:params:acme:error:dns",
    "detail": "no A record",
    "status": 400
}
uacme: failed
"""
_OWNER = (os.getuid(), os.getgid())


@pytest.fixture(scope="module")
def authority() -> Authority:
    """Return an authority."""
    return Authority()


@pytest.fixture
def instance() -> Instance:
    """Return an instance that orders from an authority."""
    return parse(instances.dumped(enabled()))


def _current(authority: Authority, *names: str, days: float = 90) -> x509.Certificate:
    key = keys.encode(ec.generate_private_key(ec.SECP256R1()))
    return authority.certificate(key, names, _BEGIN, days)


def test_host_comes_first_then_all_names() -> None:
    """So that it has its certificate whatever becomes of the others."""
    first, rest = plan.orders(None, HOST, OTHERS, _NOW)
    assert (first.name, first.names) == (plan.FIRST, (HOST,))
    assert (rest.name, rest.names) == (plan.ALL, (HOST, *OTHERS))
    assert plan.orders(None, HOST, (), _NOW) == (first,)


@pytest.mark.parametrize("days", [90, 45, 6])
def test_renewal_is_at_two_thirds_of_the_time(authority: Authority, days: float) -> None:
    """However long that is; the host alone once it is nearly over."""
    current = _current(authority, HOST, *OTHERS, days=days)

    def due(share: float) -> list[str]:
        now = _NOW + share * days * _DAY
        return [order.name for order in plan.orders(current, HOST, OTHERS, now)]

    assert due(0.66) == []
    assert due(0.67) == [plan.ALL]
    assert due(0.84) == due(1.5) == [plan.FIRST, plan.ALL]
    assert plan.next_look(current, (), HOST, _NOW + 0.66 * days * _DAY) <= chain.renewal(current)


def test_new_name_is_ordered_and_a_lost_one_isnt_missed(authority: Authority) -> None:
    """What can't be proved at the moment stays until the certificate is renewed."""
    current = _current(authority, HOST, OTHERS[0])
    (order,) = plan.orders(current, HOST, OTHERS, _NOW)
    assert order.names == (HOST, *OTHERS)
    assert plan.orders(current, HOST, (), _NOW) == ()
    (wanted,) = plan.orders(current, HOST, (), _NOW, is_wanted=True)
    assert wanted.names == (HOST,)


def test_failures_back_off() -> None:
    """From a quarter of an hour to six, whatever their number is."""
    waits = [plan.retry(failures, 0) for failures in range(1, 8)]
    assert waits[:3] == [900, 1800, 3600]
    assert waits == sorted(waits)
    assert plan.retry(10**9, 0) == 6 * 3600


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ({}, "has no address in the DNS"),
        ({"A": ["192.0.2.25", "198.51.100.9"]}, "leads to 198.51.100.9"),
        ({"A": Answer(failure="SERVFAIL")}, f"{OTHERS[0]} A: SERVFAIL"),
        (
            {"A": ["192.0.2.25"], "CAA": ['0 issue "other.example; account=5"']},
            f"{OTHERS[0]} has a CAA record for other.example alone",
        ),
        (
            {"A": ["192.0.2.25"], "CAA": ['0 issue ";"']},
            f"{OTHERS[0]} has a CAA record for nobody",
        ),
        ({"A": ["192.0.2.25"], "CAA": ['0 iodef "mailto:a@b.example"']}, ""),
        ({"AAAA": ["2001:db8::25"], "CAA": ['0 issue "letsencrypt.org"']}, ""),
    ],
)
def test_name_that_cant_be_proved_is_told(
    instance: Instance, records: dict[str, object], said: str
) -> None:
    """Before an authority is asked, which counts failures."""
    found = leads.astray(instance, (HOST, OTHERS[0]), resolver(**{f"{OTHERS[0]}.": records}))
    assert found.get(OTHERS[0], "").startswith(said)
    assert bool(found) == bool(said)


def test_caa_of_the_domain_counts_for_what_is_below(instance: Instance) -> None:
    """The first records upwards (RFC 8659, 3)."""
    ask = resolver(**{"example.test.": {"CAA": ['0 issue "other.example"']}})
    assert set(leads.astray(instance, (HOST, *OTHERS), ask)) == {HOST, *OTHERS}


def test_hosts_own_address_counts_where_the_data_have_none(instance: Instance) -> None:
    """Behind DHCP, or a router."""
    at = replace(instance, addresses=())
    away = resolver(**{f"{OTHERS[0]}.": {"A": ["198.51.100.9"]}})
    assert set(leads.astray(at, (HOST, *OTHERS), away)) == {OTHERS[0]}


def test_names_proved_in_the_dns_need_no_address(instance: Instance) -> None:
    """With dns-01 they may lead anywhere, or nowhere."""
    update = DnsUpdate(server="192.0.2.53", key_name="k", secret=Secret("x"))
    at = replace(instance, acme=replace(instance.acme, dns=update))
    assert leads.astray(at, (HOST, "nowhere.test"), resolver()) == {}


def test_resolver_that_doesnt_answer_lets_nothing_be_ordered(instance: Instance) -> None:
    """The authority's may not, either."""

    def ask(_: str, __: str) -> Answer:
        raise PostolkaError("127.0.0.1", "no answer")

    assert leads.astray(instance, (HOST,), ask) == {HOST: "127.0.0.1: no answer"}


def test_request_is_for_the_servers_key_and_no_secret_goes_with_it(instance: Instance) -> None:
    """The client gets signatures; the key stays root's."""
    orders = (plan.Order(name=plan.ALL, names=(HOST, *OTHERS)),)
    made = request.files(instance, orders)
    found = x509.load_pem_x509_csr(made["all.csr"].encode())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [HOST, *OTHERS]
    assert found.is_signature_valid
    assert found.public_key() == keys.decode(instance.tls.key).public_key()
    assert set(made) == {"all.csr", "directory", "contact"}
    assert str(instance.tls.key) not in "".join(made.values())


def test_next_keys_request_is_for_the_next_key(instance: Instance) -> None:
    """Its certificate is there before the roll-over."""
    text = request.files(instance, [plan.Order(name=plan.NEXT, names=(HOST,))])["next.csr"]
    key = x509.load_pem_x509_csr(text.encode()).public_key()
    assert key == keys.decode(instance.tls.next_key).public_key()


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (
            _LOG,
            "no A record",
        ),
        (
            "uacme: curl_get: GET https://ca.test failed: Could not connect to server\nuacme: x\n",
            "GET https://ca.test failed: Could not connect to server",
        ),
        ("", "the client has said nothing"),
        ("uacme: \x1b[31m" + "x" * 999, " [31m" + "x" * 295),
    ],
)
def test_cause_is_what_the_authority_said(tmp_path: Path, log: str, said: str) -> None:
    """Else the client's first complaint; nothing that steers a terminal."""
    (tmp_path / "all.log").write_text(log)
    key = keys.encode(ec.generate_private_key(ec.SECP256R1()))
    assert outcome.read(tmp_path, "all").problem(key, HOST, _NOW) == said


def test_client_can_bring_no_file_of_others(tmp_path: Path, authority: Authority) -> None:
    """Its desk is its own; a link there could lead to any secret."""
    (tmp_path / "secret").write_bytes(chain.pem([authority.root]))
    (tmp_path / "all-cert.pem").symlink_to("secret")
    assert outcome.read(tmp_path, "all").certificates == ()


def test_foreign_certificate_is_refused(authority: Authority, instance: Instance) -> None:
    """Another key, another name, or one that has ended."""
    key, other = instance.tls.key, instance.tls.next_key
    for made, at, said in (
        (authority.certificate(other, [HOST], _BEGIN, 90), _NOW, "what came is for another key"),
        (authority.certificate(key, ["a.test"], _BEGIN, 90), _NOW, f"what came isn't for {HOST}"),
        (authority.certificate(key, [HOST], _BEGIN, 9), _NOW + 10 * _DAY, "what came has ended"),
    ):
        found = outcome.Outcome(certificates=(made,), log="", refused=())
        assert found.problem(key, HOST, at).startswith(said)
