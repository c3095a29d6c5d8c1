"""The pure parts of the lab: its DNS tree, the addresses it hands out, what it tells instances."""

from __future__ import annotations

import asyncio
import json
import smtplib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import dns.dnssec
import dns.name
import dns.rdatatype
import dns.zone
import pytest
import yaml

from postolka import identity
from postolka.errors import PostolkaError
from postolka.instance.parse import parse
from postolka.lab import acme, keys, segment, userdata, world, zones
from postolka.lab.segment import Station
from postolka.lab.sink import Sink
from pyinfra_deploys import server
from pyinfra_deploys.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the lab's kept keys a home of their own."""
    monkeypatch.setenv("POSTOLKA_HOME", str(tmp_path))


@pytest.fixture(scope="module")
def made() -> identity.Identity:
    """Return a new instance's files."""
    request = identity.Request(
        domain="example.test",
        hostname="mail.example.test",
        addresses=("203.0.113.9", "2001:db8:1::9"),
    )
    return identity.make(request, serial=1, ports=server.ports(Settings()))


def _signed(*texts: str) -> dict[str, dns.zone.Zone]:
    rrsets = [rrset for text in texts for rrset in zones.read(text, where="test")]
    signed = zones.sign(zones.tree(rrsets), keys.Keys().of, serial=7, inception=datetime.now(UTC))
    return {
        zone.name: dns.zone.from_text(zone.text, zone.name, relativize=False) for zone in signed
    }


def test_an_instances_zone_is_loaded_as_it_stands(made: identity.Identity) -> None:
    """Each record of the operator's `zone` is in the lab, unchanged."""
    loaded = _signed(world.ZONE.read_text(), made.zone)
    zone = loaded["example.test."]
    for rrset in zones.read(made.zone, where="zone"):
        assert zone.get_rdataset(rrset.name, rrset.rdtype) == rrset.to_rdataset()


def test_chain_of_trust_holds_from_the_root_down(made: identity.Identity) -> None:
    """Each zone's key is vouched for by its parent, but the bogus one's, and signs its records."""
    loaded = _signed(world.ZONE.read_text(), made.zone)
    assert {".", "test.", "example.", "arpa.", "113.0.203.in-addr.arpa."} <= loaded.keys()
    for name, zone in loaded.items():
        origin = dns.name.from_text(name)
        dnskeys = zone.find_rdataset(origin, "DNSKEY")
        soa = zone.find_rdataset(origin, "SOA")
        signatures = zone.find_rdataset(origin, "RRSIG", "SOA")
        dns.dnssec.validate((origin, soa), (origin, signatures), {origin: dnskeys})
        if name == f"{world.BOGUS}.":
            bogus = dns.dnssec.make_ds(origin, dnskeys[0], "SHA256")
            assert bogus not in loaded["example."].find_rdataset(origin, "DS")
        elif name != ".":
            above = "arpa." if name.endswith("arpa.") and name != "arpa." else _parent(name)
            wanted = dns.dnssec.make_ds(origin, dnskeys[0], "SHA256")
            assert wanted in loaded[above].find_rdataset(origin, "DS")


def _parent(name: str) -> str:
    return dns.name.from_text(name).parent().to_text()


def test_each_address_has_the_name_whose_record_holds_it() -> None:
    """The reverse zones are made from the addresses, both families."""
    loaded = _signed("mail.a.test. 300 IN A 203.0.113.9\nmail.a.test. 300 IN AAAA 2001:db8:1::9\n")
    names = {
        "113.0.203.in-addr.arpa.": "9.113.0.203.in-addr.arpa.",
        "0.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.": (
            "9.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa."
        ),
    }
    for zone, name in names.items():
        found = loaded[zone].get_rdataset(dns.name.from_text(name), "PTR")
        assert found
        assert found[0].to_text() == "mail.a.test."


def test_nameless_address_has_no_reverse_name() -> None:
    """Only its other addresses have one."""
    rrsets = zones.read(
        "mail.a.test. 300 IN A 203.0.113.9\nmail.a.test. 300 IN AAAA 2001:db8:1::9\n", where="test"
    )
    made = zones.sign(
        zones.tree(rrsets, nameless={"2001:db8:1::9"}),
        keys.Keys().of,
        serial=7,
        inception=datetime.now(UTC),
    )
    names = [zone.name for zone in made]
    assert "113.0.203.in-addr.arpa." in names
    assert not any(name.endswith("ip6.arpa.") for name in names)


def test_zone_that_has_not_changed_stays_as_it_is() -> None:
    """Another record signs its own zone anew; after a day each is, before signatures run out."""
    made, now = keys.Keys(), datetime.now(UTC)

    def sign(text: str, serial: int, when: datetime, *before: zones.Signed) -> list[zones.Signed]:
        tree = zones.tree(zones.read(text, where="test"))
        known = {zone.name: zone for zone in before}
        return zones.sign(tree, made.of, serial=serial, inception=when, known=known)

    first = sign("a.test. 300 IN TXT a\nb.test. 300 IN TXT b\n", 7, now)
    second = sign("a.test. 300 IN TXT a\nb.test. 300 IN TXT c\n", 8, now, *first)
    assert [zone.name for zone in second] == [zone.name for zone in first]
    assert [zone.name for zone in second if zone not in first] == ["b.test."]
    assert next(zone for zone in second if zone.name == "b.test.").serial == 8
    later = sign(
        "a.test. 300 IN TXT a\nb.test. 300 IN TXT c\n", 9, now + timedelta(days=1), *second
    )
    assert {zone.serial for zone in later} == {9}


def test_bad_zone_is_told_by_its_name() -> None:
    """A zone that can't be read names itself."""
    with pytest.raises(PostolkaError, match=r"mine: is not a zone with absolute names"):
        zones.read("$ORIGIN example.test.\n@ nonsense\n", where="mine")


@pytest.mark.parametrize(
    ("announced", "taken", "given"),
    [
        (["203.0.113.9", "2001:db8:1::9"], [], ("203.0.113.9", "2001:db8:1::9")),
        (["2001:db8:1::9", "203.0.113.9", "203.0.113.10"], [], ("203.0.113.9", "2001:db8:1::9")),
        (["192.0.2.1"], [], ("192.0.2.1",)),
        ([], [], ("203.0.113.25", "2001:db8:1::25")),
        ([], ["203.0.113.25"], ("203.0.113.26", "2001:db8:1::26")),
    ],
)
def test_machine_gets_the_addresses_that_its_zone_says(
    announced: list[str], taken: list[str], given: tuple[str, ...]
) -> None:
    """One of each family that is announced, or a free pair."""
    assert segment.pick(announced, taken, (world.SERVERS_V4, world.SERVERS_V6)) == given


def test_taken_address_is_refused() -> None:
    """Two machines never have the same address."""
    with pytest.raises(PostolkaError, match=r"203\.0\.113\.9: another machine"):
        segment.pick(["203.0.113.9"], ["203.0.113.9"], (world.SERVERS_V4, world.SERVERS_V6))


@pytest.mark.parametrize(
    ("address", "router"),
    [
        ("203.0.113.9", "203.0.113.1/24"),
        ("203.0.113.1", "203.0.113.2/24"),
        ("2001:db8::9", "2001:db8::1/64"),
        ("2001:db8::1", "2001:db8::2/64"),
    ],
)
def test_router_is_in_the_machines_network(address: str, router: str) -> None:
    """The router takes the first address, unless that is the machine's."""
    assert str(segment.router_for(address)) == router


def test_dnsmasq_gives_each_station_its_own_addresses() -> None:
    """Hosts and networks of both families."""
    station = Station(name="one", addresses=("203.0.113.9", "2001:db8:1::9"))
    lines = segment.dnsmasq([station]).splitlines()
    assert f"dhcp-host={station.mac},203.0.113.9,[2001:db8:1::9],one,12h" in lines
    assert "dhcp-range=203.0.113.0,static,255.255.255.0,12h" in lines
    assert "dhcp-range=2001:db8:1::,static,64,12h" in lines


def test_links_have_names_that_the_kernel_takes() -> None:
    """Names of up to 31 characters become links of at most 15."""
    assert len(Station(name="a" * 31, addresses=()).link) <= 15


def test_instance_learns_the_labs_root_and_nothing_else(made: identity.Identity) -> None:
    """Only the `dns` block is added, and the instance's data stay valid."""
    before = parse(made.user_data, where="before")
    after = parse(userdata.amend(made.user_data), where="after")
    assert [hint.name for hint in after.dns.root_hints] == [world.ROOT_DNS.name]
    assert after.dns.trust_anchors[0].algorithm == 13
    assert before.tls == after.tls
    assert before.domains == after.domains


@pytest.mark.parametrize("more", ["", "  ca_certificate: AAAA\n"])
def test_instance_that_orders_certificates_does_so_in_the_lab(
    made: identity.Identity, more: str
) -> None:
    """From Pebble, whom the lab vouches for; who orders none isn't told."""
    data = made.user_data.replace(b"  enabled: false\n", f"  enabled: true\n{more}".encode())
    after = parse(userdata.amend(data), where="after").acme
    assert (after.enabled, after.directory) == (True, acme.DIRECTORY_URL)
    assert after.ca_pem
    assert not parse(userdata.amend(made.user_data), where="after").acme.ca_pem


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"#cloud-config\n{}\n",
        b"- [",
        b"format: 1\ndns: {root_hints: []}\n",
        b"Content-Type: multipart/mixed; boundary=x\n\n--x--\n",
    ],
)
def test_other_user_data_stay_as_they_are(data: bytes) -> None:
    """What isn't instance data, or has a root of its own, is the machine's to judge."""
    assert userdata.amend(data) == data


def test_root_key_outlives_a_lab() -> None:
    """An instance that comes back trusts the next lab."""
    assert keys.root().dnskey == keys.root().dnskey
    assert yaml.safe_load(json.dumps(userdata.dns_block())) == userdata.dns_block()


def test_sink_keeps_each_byte(tmp_path: Path) -> None:
    """Dots, bare 8-bit and long lines arrive as they were sent."""
    message = b"Subject: x\r\n\r\n.dot\r\n..two\r\n\xff\xfe\r\n" + b"x" * 5000 + b"\r\n"

    def send(port: int) -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
            client.sendmail("a@a.test", ["b@b.test", "c@b.test"], message)

    async def run() -> None:
        sink = Sink(tmp_path / "sink")
        async with await asyncio.start_server(sink.serve, "127.0.0.1", limit=1 << 20) as listener:
            await asyncio.to_thread(send, listener.sockets[0].getsockname()[1])

    asyncio.run(run())
    (kept,) = (tmp_path / "sink").glob("[0-9]*")
    assert (kept / "message").read_bytes() == message
    envelope = json.loads((kept / "envelope.json").read_bytes())
    assert envelope["sender"] == "a@a.test"
    assert envelope["recipients"] == ["b@b.test", "c@b.test"]
