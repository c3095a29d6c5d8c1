"""The records to publish: right ones, in a text that a name server loads as it stands."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import replace

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.zone
import pytest

from postolka import live
from postolka.instance import dns as records
from postolka.instance import mtasts
from postolka.instance.authority import Acme
from postolka.instance.keys import pem
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
    Port(number=443, name="https", tls="implicit", domain_hosts=("mta-sts", "autoconfig")),
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


def _openssl_digest(pem: str) -> str:
    """Return what openssl(1) makes of a key, the way that TLSA records are made by hand."""
    argv = ["openssl", "pkey", "-pubout", "-outform", "DER"]
    public = subprocess.run(argv, input=pem.encode(), capture_output=True, check=True).stdout
    return hashlib.sha256(public).hexdigest()


@pytest.mark.parametrize("port", [25, 143, 443, 465, 587, 993, 4190])
def test_tlsa_holds_this_key_and_the_next(zone: dns.zone.Zone, port: int) -> None:
    """On each port that speaks TLS, and on no other; the digests are those of openssl."""
    tls = parse(instances.made().user_data).tls
    pems = (pem(tls.key), pem(tls.next_key))
    wanted = sorted(f"3 1 1 {_openssl_digest(item)}" for item in pems)
    assert _texts(zone, f"_{port}._tcp.mail", "TLSA") == wanted
    assert zone.get_rdataset("_22._tcp.mail", dns.rdatatype.TLSA) is None


def test_clients_find_their_server(zone: dns.zone.Zone) -> None:
    """TLS from the first byte is preferred to STARTTLS."""
    assert _texts(zone, "_imaps._tcp", "SRV") == ["0 1 993 mail"]
    assert _texts(zone, "_imap._tcp", "SRV") == ["10 1 143 mail"]
    assert _texts(zone, "_submissions._tcp", "SRV") == ["0 1 465 mail"]
    assert _texts(zone, "_submission._tcp", "SRV") == ["10 1 587 mail"]
    assert _texts(zone, "_sieve._tcp", "SRV") == ["0 1 4190 mail"]


@pytest.mark.parametrize("name", ["@", "mail"])
def test_authority_is_named(zone: dns.zone.Zone, name: str) -> None:
    """CAA lets only the instance's authority issue."""
    assert _texts(zone, name, "CAA") == ['0 issue "letsencrypt.org"']


def test_failures_of_tls_are_reported(zone: dns.zone.Zone) -> None:
    """To an address that every domain answers for."""
    (text,) = _texts(zone, "_smtp._tls", "TXT")
    assert text == '"v=TLSRPTv1; rua=mailto:postmaster@example.test"'


def test_what_is_served_for_a_domain_has_a_name(zone: dns.zone.Zone) -> None:
    """The MTA-STS policy is announced where a room serves it, with an id that is the policy's."""
    for name in ("mta-sts", "autoconfig"):
        assert _texts(zone, name, "CNAME") == ["mail"]
    (text,) = _texts(zone, "_mta-sts", "TXT")
    first = parse(instances.made().user_data)
    ordering = replace(first, acme=Acme(enabled=True))
    assert text == f'"{mtasts.record(first)}"'
    others = [replace(first, hostname="mx.example.test"), ordering]
    assert len({mtasts.record(item) for item in (first, *others)}) == 3


@pytest.mark.parametrize(("is_enforced", "mode"), [(False, "testing"), (True, "enforce")])
def test_policy_names_the_host(*, is_enforced: bool, mode: str) -> None:
    """With lines that end as RFC 8461 wants it."""
    text = mtasts.policy("mail.example.test", is_enforced=is_enforced)
    assert f"\r\nmode: {mode}\r\nmx: mail.example.test\r\n" in text


def test_nothing_leads_nowhere() -> None:
    """Without what serves it, no name and no policy is published."""
    text = records.zone(EXAMPLE, [port for port in _PORTS if not port.domain_hosts])
    assert "mta-sts" not in text
    assert "autoconfig" not in text
    assert "_443._tcp" not in text


def test_rooms_ports_are_published() -> None:
    """The server's real ports, and the text as an operator sees it."""
    text = records.zone(EXAMPLE, server.ports(Settings()))
    check("dns", "zone", text)
    for port in (25, 143, 465, 587, 993, 4190):
        assert f"_{port}._tcp.mail.example.test. 300 IN TLSA 3 1 1 " in text


def test_every_record_is_valid_for_its_type() -> None:
    """Each name and value is written as a DNS library writes what it has parsed."""
    reverse = records.reverse(EXAMPLE.hostname, EXAMPLE.addresses)
    for item in (*records.records(EXAMPLE, _PORTS), *reverse):
        kind = dns.rdatatype.from_text(item.type)
        parsed = dns.rdata.from_text(dns.rdataclass.IN, kind, item.data)
        assert (parsed.to_text(), live.value(parsed)) == (item.data, item.value)
        assert dns.name.from_text(item.name).to_text() == item.name


def test_one_domains_records_are_its_own() -> None:
    """What is asked for is that domain's part of the whole, without the host's."""
    text = records.zone(EXAMPLE, _PORTS, only="example.net")
    assert text.startswith("; The records to publish for example.net, TTL 300 s.\n")
    lines = {line for line in text.splitlines() if line and not line.startswith(";")}
    assert lines < set(records.zone(EXAMPLE, _PORTS).splitlines())
    assert {".".join(line.split()[0].split(".")[-3:]) for line in lines} == {"example.net."}
    assert "Public keys of the signatures on mail from example.net" in text


def test_ttl_is_the_one_that_was_asked_for() -> None:
    """Low while setting up, and the text says what comes after that."""
    lines = records.zone(EXAMPLE, _PORTS).splitlines()
    assert "--ttl 3600" in lines[1]
    lasting = records.zone(EXAMPLE, _PORTS, ttl_seconds=3600).splitlines()
    assert "--ttl" not in lasting[1]
    bare = [line for line in lasting if line and not line.startswith(";")]
    assert {line.split()[1] for line in bare} == {"3600"}


def test_host_that_is_its_own_domain_has_each_record_once() -> None:
    """Nothing stands twice where hostname and domain are the same."""
    values = instances.data(hostname="example.test")
    lines = str(records.zone(parse(instances.dumped(values)), _PORTS)).splitlines()
    found = [line for line in lines if line and not line.startswith(";")]
    assert len(found) == len(set(found))


def _of_example_test(**live: object) -> tuple[dict[tuple[str, str], list[str]], str]:
    """Return values by name and type, and the zone's text, with example.test as an old domain."""
    old = {"example.test": records.Live(**live)}  # type: ignore[arg-type]
    found: dict[tuple[str, str], list[str]] = {}
    for item in records.records(EXAMPLE, _PORTS, old):
        found.setdefault((item.name.removesuffix("example.test."), item.type), []).append(
            item.value
        )
    return found, " ".join(records.zone(EXAMPLE, _PORTS, old).replace("\n; ", " ").split())


def test_old_domain_starts_without_a_policy() -> None:
    """Nobody's mail is refused before reports have shown whose it is; the text says what then."""
    found, text = _of_example_test(mx=("mx.old.example",))
    assert found["_dmarc.", "TXT"] == ["v=DMARC1; p=none; rua=mailto:postmaster@example.test"]
    assert found["", "TXT"] == ["v=spf1 a:mail.example.test ~all"]
    assert "for two weeks: p=quarantine; after two more: p=reject" in text
    assert 'once it is this server alone: "v=spf1 mx -all"' in text
    assert (
        "Publish it last, and the SRV records with it: until then mail goes to mx.old.example."
        in text
    )


def test_old_domain_keeps_what_it_has() -> None:
    """Its senders, its policy, where its reports go, and its freedom to get certificates."""
    has = {
        "spf": "v=spf1 include:_spf.old.example -all",
        "dmarc": "v=DMARC1; p=quarantine; rua=mailto:a@b.example",
        "tlsrpt": "v=TLSRPTv1; rua=mailto:a@b.example",
    }
    found, text = _of_example_test(mx=("mail.example.test",), **has)
    assert found["", "TXT"] == [
        "v=spf1 a:mail.example.test include:_spf.old.example -all",
    ]
    assert found["_dmarc.", "TXT"] == [has["dmarc"]]
    assert found["_smtp._tls.", "TXT"] == [has["tlsrpt"]]
    assert ("", "CAA") not in found
    assert found["mail.", "CAA"] == ['0 issue "letsencrypt.org"']
    assert "until then mail goes" not in text
    assert "p=reject" not in text.partition("example.net")[0]


def test_old_domain_without_a_policy_goes_on_being_told() -> None:
    """What was published for the start isn't taken for what somebody wanted for good."""
    dmarc = "v=DMARC1;p=none;rua=mailto:postmaster@example.test"
    found, text = _of_example_test(spf="v=spf1 mx -all", dmarc=dmarc, mx=("mail.example.test",))
    assert found["_dmarc.", "TXT"] == [dmarc]
    assert "after two more: p=reject" in text
    assert found["", "TXT"] == ["v=spf1 mx -all"]
    assert "this server alone" not in text


def test_policy_without_reports_gets_them() -> None:
    """Without them nobody learns when to tighten; a policy that refuses stays as it is."""
    found, _ = _of_example_test(dmarc="v=DMARC1; p=none;")
    assert found["_dmarc.", "TXT"] == ["v=DMARC1; p=none; rua=mailto:postmaster@example.test"]
    found, _ = _of_example_test(dmarc="v=DMARC1; p=reject;")
    assert found["_dmarc.", "TXT"] == ["v=DMARC1; p=reject;"]


def test_mta_sts_policy_is_told_before_mail_moves() -> None:
    """Others keep to it: a server that it doesn't name gets nothing."""
    _, text = _of_example_test(mx=("mx.old.example",), has_mtasts=True)
    assert "have the domain's MTA-STS policy name mail.example.test" in text
    _, text = _of_example_test(mx=("mail.example.test",), has_mtasts=True)
    assert "MTA-STS" not in text.partition("_smtp._tls")[0]


def test_other_domains_start_strict_beside_an_old_one() -> None:
    """Each is judged by what it has."""
    found = records.records(EXAMPLE, _PORTS, {"example.test": records.Live()})
    values = {(item.name, item.type): item.value for item in found}
    assert "p=reject" in values["_dmarc.example.net.", "TXT"]
    assert values["example.net.", "TXT"] == "v=spf1 mx -all"


def test_hostile_live_text_stays_one_record() -> None:
    """What stands in a domain's records by now can't end a line or a string of the zone."""
    text = 'v=DMARC1; p=reject; "\n@ IN A 192.0.2.1\\' + "x" * 300
    zone = records.zone(EXAMPLE, _PORTS, {"example.test": records.Live(dmarc=text)})
    loaded = dns.zone.from_text(_FRAME + zone, origin="example.test.", check_origin=False)
    (record,) = loaded.find_rdataset("_dmarc", dns.rdatatype.TXT)
    assert b"".join(record.strings).decode() == text
    assert live.value(record) == text.replace("\n", "\\n")
