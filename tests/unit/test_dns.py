"""The records to publish: right ones, in a text that a name server loads as it stands."""

from __future__ import annotations

import dns.rdatatype
import dns.zone
import pytest

from postolka import dns as records
from postolka.instance import keys
from postolka.instance.parse import parse
from pyinfra_deploys import server
from pyinfra_deploys.room import Port
from pyinfra_deploys.settings import Settings
from tests.unit import instances
from tests.unit.golden import EXAMPLE, check

_PORTS = (
    Port(number=22, name="ssh"),
    Port(number=25, name="smtp", tls="starttls"),
    Port(number=53, name="domain", is_public=False),
    Port(number=143, name="imap", tls="starttls"),
    Port(number=465, name="submissions", tls="implicit"),
    Port(number=587, name="submission", tls="starttls"),
    Port(number=993, name="imaps", tls="implicit"),
    Port(number=4190, name="sieve", tls="starttls"),
)
_FRAME = "@ 300 IN SOA ns hostmaster 1 1 1 1 1\n@ 300 IN NS ns\nns 300 IN A 192.0.2.1\n"


@pytest.fixture(scope="module")
def zone() -> dns.zone.Zone:
    """Return the zone as a name server has it."""
    text = records.zone(parse(instances.made().user_data), _PORTS)
    return dns.zone.from_text(_FRAME + text, origin="example.test.")


def _texts(zone: dns.zone.Zone, name: str, kind: str) -> list[str]:
    found = zone.find_rdataset(name, dns.rdatatype.from_text(kind))
    assert found.ttl == 300
    return sorted(item.to_text() for item in found)


def test_mail_comes_to_the_server(zone: dns.zone.Zone) -> None:
    """Addresses of both families, and the MX that points to them."""
    assert _texts(zone, "mail", "A") == ["192.0.2.25"]
    assert _texts(zone, "mail", "AAAA") == ["2001:db8::25"]
    assert _texts(zone, "@", "MX") == ["10 mail"]


@pytest.mark.parametrize("name", ["@", "mail"])
def test_only_the_server_sends(zone: dns.zone.Zone, name: str) -> None:
    """SPF for the domain and for the host's own name, whose MX makes `mx` match."""
    assert _texts(zone, name, "TXT") == ['"v=spf1 mx -all"']
    assert _texts(zone, name, "MX") == ["10 mail"]


def test_dkim_records_are_the_keys(zone: dns.zone.Zone) -> None:
    """Split where DNS demands it, whole again when joined."""
    for key in parse(instances.made().user_data).domains[0].dkim:
        found = zone.find_rdataset(f"{key.selector}._domainkey", dns.rdatatype.TXT)
        (record,) = found
        assert b"".join(record.strings).decode() == key.record
        assert key.record.startswith(f"v=DKIM1; k={key.algorithm}; p=")


def test_forged_mail_is_refused_by_policy(zone: dns.zone.Zone) -> None:
    """DMARC is strict from the start: nobody else sends for a new domain."""
    (text,) = _texts(zone, "_dmarc", "TXT")
    assert text == '"v=DMARC1; p=reject; rua=mailto:postmaster@example.test"'


@pytest.mark.parametrize("port", [25, 143, 465, 587, 993, 4190])
def test_tlsa_holds_this_key_and_the_next(zone: dns.zone.Zone, port: int) -> None:
    """On each port that speaks TLS, and on no other."""
    tls = parse(instances.made().user_data).tls
    wanted = sorted(f"3 1 1 {keys.spki_sha256(key)}" for key in (tls.key, tls.next_key))
    assert _texts(zone, f"_{port}._tcp.mail", "TLSA") == wanted
    assert zone.get_rdataset("_22._tcp.mail", dns.rdatatype.TLSA) is None


def test_clients_find_their_server(zone: dns.zone.Zone) -> None:
    """TLS from the first byte is preferred to STARTTLS."""
    assert _texts(zone, "_imaps._tcp", "SRV") == ["0 1 993 mail"]
    assert _texts(zone, "_imap._tcp", "SRV") == ["10 1 143 mail"]
    assert _texts(zone, "_submissions._tcp", "SRV") == ["0 1 465 mail"]
    assert _texts(zone, "_submission._tcp", "SRV") == ["10 1 587 mail"]
    assert _texts(zone, "_sieve._tcp", "SRV") == ["0 1 4190 mail"]


def test_authority_is_named(zone: dns.zone.Zone) -> None:
    """CAA lets only the instance's authority issue."""
    assert _texts(zone, "@", "CAA") == ['0 issue "letsencrypt.org"']


def test_rooms_ports_are_published() -> None:
    """The server's real ports, and the text as an operator sees it."""
    text = records.zone(EXAMPLE, server.ports(Settings()))
    check("dns", "zone", text)
    for port in (25, 143, 465, 587, 993, 4190):
        assert f"_{port}._tcp.mail.example.test. 300 IN TLSA 3 1 1 " in text


def test_host_that_is_its_own_domain_has_each_record_once() -> None:
    """Nothing stands twice where hostname and domain are the same."""
    values = instances.data(hostname="example.test")
    lines = str(records.zone(parse(instances.dumped(values)), _PORTS)).splitlines()
    found = [line for line in lines if line and not line.startswith(";")]
    assert len(found) == len(set(found))
