"""The lab's DNS tree: records of many hosts in; signed zones, delegations, reverse zones out.

A zone is cut below a top-level domain: `mail.example.test` belongs to `example.test`. Reverse zones
are cut at /24 and /64, and each address gets the name whose record holds it. Pure: no I/O.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Literal

import dns.dnssec
import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.reversename
import dns.rrset
import dns.zone
import dns.zonefile

from postolka.errors import PostolkaError
from postolka.lab import blocklists, world

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from datetime import datetime

    from dns.rdtypes.ANY.DNSKEY import DNSKEY

    from postolka.lab.keys import ZoneKey

#: Which of the name servers has a zone.
View = Literal["root", "tld", "hosts", "lists"]

TTL_SECONDS = 300
#: An absent name is asked for again soon: its machine may just be joining (RFC 2308, 5).
NEGATIVE_TTL_SECONDS = 1
_LIFETIME_SECONDS = 30 * 86400
_FRESH = timedelta(days=1)
_ARPA = dns.name.from_text("arpa.")
_REVERSE_LABELS = {4: 1, 6: 16}
_SERVERS: Mapping[View, world.Host] = {
    "root": world.ROOT_DNS,
    "tld": world.TLD_DNS,
    "hosts": world.HOSTS_DNS,
    "lists": world.LISTS_DNS,
}


@dataclass(slots=True)
class Zone:
    """One zone, before it is signed."""

    name: dns.name.Name
    view: View
    rrsets: list[dns.rrset.RRset] = field(default_factory=list)
    children: list[Zone] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Signed:
    """One zone as its name server loads it."""

    name: str
    """With the final dot."""
    view: View
    text: str
    serial: int
    inception: datetime
    content: tuple[str, ...]
    """What was signed: its records without the SOA."""


def read(text: str, *, where: str) -> list[dns.rrset.RRset]:
    """Return the records of a fragment of a zone file with absolute names.

    Raises PostolkaError where it can't be read.
    """
    try:
        return list(dns.zonefile.read_rrsets(text, rdclass=None, default_ttl=TTL_SECONDS))
    except (dns.exception.DNSException, ValueError) as error:
        problem = f"is not a zone with absolute names: {error}"
        raise PostolkaError(where, problem) from error


def tree(rrsets: Iterable[dns.rrset.RRset], *, nameless: Collection[str] = ()) -> Zone:
    """Return the root zone, with all the others below it.

    The addresses `nameless` get no reverse name.
    """
    zones: dict[dns.name.Name, Zone] = {}

    def zone_of(name: dns.name.Name) -> Zone:
        if name not in zones:
            if name == dns.name.root:
                zones[name] = Zone(name, "root")
                return zones[name]
            # A reverse zone hangs below arpa. at once; the names between are empty.
            above = _ARPA if name.is_subdomain(_ARPA) and name != _ARPA else name.parent()
            hosts: View = "lists" if name in blocklists.APEXES else "hosts"
            zones[name] = Zone(name, "tld" if len(name) == 2 else hosts)  # noqa: PLR2004
            zone_of(above).children.append(zones[name])
        return zones[name]

    for rrset in (*rrsets, *_reverse(rrsets, nameless)):
        zone_of(_apex(rrset.name)).rrsets.append(rrset)
    return zone_of(dns.name.root)


def sign(
    zone: Zone,
    key_of: Callable[[str], ZoneKey],
    *,
    serial: int,
    inception: datetime,
    known: Mapping[str, Signed] | None = None,
) -> list[Signed]:
    """Sign `zone` and everything below it; the signatures hold for 30 days.

    A zone that was signed in the last day (`known`, by name) and hasn't changed stays as it is.
    """
    signed = []
    delegations = []
    for child in sorted(zone.children, key=lambda child: child.name):
        signed += sign(child, key_of, serial=serial, inception=inception, known=known)
        dnskey = key_of(child.name.to_text()).dnskey
        delegations += [_ns(child.name, child.view), _ds(child.name, dnskey)]
    # Not the key that the zone above vouches for, where a zone is to be bogus.
    lie = "not " if zone.name.to_text() == f"{world.BOGUS}." else ""
    key = key_of(f"{lie}{zone.name.to_text()}")
    rrsets = [_ns(zone.name, zone.view), *zone.rrsets, *delegations, *_glue(zone)]
    content = tuple(rrset.to_text() for rrset in rrsets)
    before = (known or {}).get(zone.name.to_text())
    if before and before.content == content and inception - before.inception < _FRESH:
        return [before, *signed]
    made = dns.zone.Zone(zone.name, relativize=False)
    server = _SERVERS[zone.view]
    soa = f"{server.name}. hostmaster.{server.name}. {serial} 3600 600 86400 {NEGATIVE_TTL_SECONDS}"
    with made.writer() as writer:
        for rrset in (_rrset(zone.name, "SOA", soa), *rrsets):
            writer.add(rrset.name, rrset)
    dns.dnssec.sign_zone(
        made,
        keys=[(key.private, key.dnskey)],
        inception=inception,
        lifetime=_LIFETIME_SECONDS,
    )
    made_text = made.to_text(relativize=False)
    return [Signed(zone.name.to_text(), zone.view, made_text, serial, inception, content), *signed]


def addresses(rrsets: Iterable[dns.rrset.RRset], name: str) -> list[str]:
    """Return the addresses that the records give the host `name`, IPv4 first."""
    host = dns.name.from_text(name)
    found = [rdata.to_text() for rrset in _hosts(rrsets) if rrset.name == host for rdata in rrset]
    return sorted(found, key=lambda address: ip_address(address).version)


def host(name: str, addresses: Iterable[str]) -> list[dns.rrset.RRset]:
    """Return the address records of the host `name`."""
    owner = dns.name.from_text(name)
    return [_rrset(owner, "AAAA" if ":" in item else "A", item) for item in addresses]


def _hosts(rrsets: Iterable[dns.rrset.RRset]) -> list[dns.rrset.RRset]:
    return [rrset for rrset in rrsets if rrset.rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA)]


def _reverse(rrsets: Iterable[dns.rrset.RRset], nameless: Collection[str]) -> list[dns.rrset.RRset]:
    """Return a PTR record for each address that some name has; the first name wins.

    What blocklists answer, in 127.0.0.0/8, is nobody's.
    """
    found: dict[dns.name.Name, dns.rrset.RRset] = {}
    for rrset in _hosts(rrsets):
        for rdata in rrset:
            address = ip_address(rdata.to_text())
            if address.is_loopback or str(address) in nameless:
                continue
            name = dns.reversename.from_address(rdata.to_text())
            found.setdefault(name, _rrset(name, "PTR", rrset.name.to_text()))
    return list(found.values())


def _apex(name: dns.name.Name) -> dns.name.Name:
    """Return the name of the zone that `name` belongs to."""
    if name.is_subdomain(_ARPA) and len(name) > 3:  # noqa: PLR2004 - below in-addr.arpa., ip6.arpa.
        labels = _REVERSE_LABELS[6 if b"ip6" in name.labels else 4]
        return dns.name.Name(name.labels[labels:])
    return dns.name.Name(name.labels[-min(len(name), 3) :])


def _glue(zone: Zone) -> list[dns.rrset.RRset]:
    """Return the addresses of the children's name servers, where they are below this zone."""
    found = []
    names = {_SERVERS[child.view] for child in zone.children}
    if zone.view == "root":
        names.add(world.ROOT_DNS)
    for server in sorted(names, key=lambda host: host.name):
        name = dns.name.from_text(server.name)
        is_here = any(name.is_subdomain(child.name) for child in zone.children)
        if is_here:
            found += [_rrset(name, "A", server.ipv4), _rrset(name, "AAAA", server.ipv6)]
    return found


def _ns(name: dns.name.Name, view: View) -> dns.rrset.RRset:
    return _rrset(name, "NS", f"{_SERVERS[view].name}.")


def _ds(name: dns.name.Name, dnskey: DNSKEY) -> dns.rrset.RRset:
    return _rrset(name, "DS", dns.dnssec.make_ds(name, dnskey, "SHA256").to_text())


def _rrset(name: dns.name.Name, kind: str, data: str) -> dns.rrset.RRset:
    return dns.rrset.from_text(name, TTL_SECONDS, dns.rdataclass.IN, kind, data)


def by_view(zones: Iterable[Signed]) -> dict[View, list[Signed]]:
    """Return the zones of each name server."""
    found: defaultdict[View, list[Signed]] = defaultdict(list)
    for zone in zones:
        found[zone.view].append(zone)
    return dict(found)
