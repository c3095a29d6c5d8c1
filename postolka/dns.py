"""The DNS records that an instance needs, and their text: what an operator publishes.

The text is a fragment of zone files: absolute names, no SOA, no NS. The lab loads this very text.
Pure: no I/O.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

import dns.rdata
import dns.rdataclass
import dns.rdatatype

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from postolka.instance.model import Domain, Instance
    from pyinfra_deploys.room import Port

#: Low while a server is being set up, so that a mistake is short-lived; seconds.
TTL_SECONDS = 300

#: Services that mail clients look up (RFC 6186; submissions: RFC 8314, 5.1; sieve: RFC 5804, 1.8),
#: and their preference: TLS from the first byte before STARTTLS.
_CLIENT_SERVICES = {"submissions": 0, "imaps": 0, "submission": 10, "imap": 10, "sieve": 0}

_MX_PREFERENCE = 10
#: RFC 1035, 3.3: one character string of a TXT record.
_STRING_BYTES = 255


@dataclass(frozen=True, slots=True)
class Record:
    """One record: an absolute name with its final dot, a type, and the data in master-file form."""

    name: str
    type: str
    data: str
    why: str

    def __str__(self) -> str:
        return f"{self.name} {TTL_SECONDS} IN {self.type} {self.data}"


def records(instance: Instance, ports: Iterable[Port]) -> list[Record]:
    """Return every record of `instance`, grouped by what they are for.

    `ports` are what its server listens on. Raises dns.exception.DNSException for data that isn't
    valid for its type.
    """
    public = [port for port in ports if port.is_public and port.protocol == "tcp"]
    found = list(_host(instance, public))
    for domain in instance.domains:
        found += _domain(domain, instance, public)
    unique = {(item.name, item.type, item.data): _checked(item) for item in reversed(found)}
    return list(reversed(unique.values()))


def zone(instance: Instance, ports: Iterable[Port]) -> str:
    """Return the records as a fragment of a zone file, with a comment above each group."""
    lines = [f"; The records to publish for {instance.hostname}, TTL {TTL_SECONDS} s.", ""]
    if instance.addresses:
        lines.append("; Ask the owner of each address for its reverse name (PTR); many servers")
        lines.append("; refuse mail from an address without one:")
        lines += [
            f";   {ip_address(address).reverse_pointer}. PTR {instance.hostname}."
            for address in instance.addresses
        ]
    else:
        lines.append(f"; No address was given: add an A or AAAA record for {instance.hostname}.")
    group = ""
    for record in records(instance, ports):
        if record.why != group:
            group = record.why
            lines += ["", *textwrap.wrap(group, 98, initial_indent="; ", subsequent_indent="; ")]
        lines.append(str(record))
    return "\n".join(lines) + "\n"


def _host(instance: Instance, ports: Sequence[Port]) -> Iterator[Record]:
    host = f"{instance.hostname}."
    why = "The server's addresses."
    for address in instance.ipv4:
        yield Record(host, "A", address, why)
    for address in instance.ipv6:
        yield Record(host, "AAAA", address, why)
    why = "The server's own name as a mail domain: its bounces are checked by it (RFC 7208, 2.4)."
    yield Record(host, "MX", f"{_MX_PREFERENCE} {host}", why)
    yield Record(host, "TXT", _strings("v=spf1 mx -all"), why)
    why = (
        "DANE (RFC 7672): the public half of the server's TLS key and of the next one, for each "
        "port that speaks TLS. They count only in a zone signed with DNSSEC."
    )
    for port in ports:
        if port.tls != "none":
            for digest in instance.tls.spki_sha256:
                yield Record(f"_{port.number}._tcp.{host}", "TLSA", f"3 1 1 {digest}", why)


def _domain(domain: Domain, instance: Instance, ports: Sequence[Port]) -> Iterator[Record]:
    name, host = f"{domain.name}.", f"{instance.hostname}."
    why = f"Mail for {domain.name} comes here, and only this server sends for it (RFC 7208)."
    yield Record(name, "MX", f"{_MX_PREFERENCE} {host}", why)
    yield Record(name, "TXT", _strings("v=spf1 mx -all"), why)
    why = f"Public keys of the signatures on mail from {domain.name} (RFC 6376, RFC 8463)."
    for key in domain.dkim:
        yield Record(f"{key.selector}._domainkey.{name}", "TXT", _strings(key.record), why)
    why = f"Mail that claims to be from {domain.name} and isn't is refused (RFC 7489)."
    policy = f"v=DMARC1; p=reject; rua=mailto:postmaster@{domain.name}"
    yield Record(f"_dmarc.{name}", "TXT", _strings(policy), why)
    why = f"Which authority may issue certificates for {domain.name} (RFC 8659)."
    yield Record(name, "CAA", f'0 issue "{instance.acme.issuer}"', why)
    why = f"Where mail clients of {domain.name} find their server (RFC 6186, RFC 8314)."
    for port in ports:
        if port.name in _CLIENT_SERVICES:
            priority = _CLIENT_SERVICES[port.name]
            service = f"_{port.name}._tcp.{name}"
            yield Record(service, "SRV", f"{priority} 1 {port.number} {host}", why)


def _strings(text: str) -> str:
    """Return the character strings of a TXT record; readers join them without a space."""
    pieces = range(0, len(text), _STRING_BYTES)
    return " ".join(f'"{text[start : start + _STRING_BYTES]}"' for start in pieces)


def _checked(record: Record) -> Record:
    """Return `record` in the form in which dnspython writes it, parsed and so known to be valid."""
    kind = dns.rdatatype.from_text(record.type)
    rdata = dns.rdata.from_text(dns.rdataclass.IN, kind, record.data)
    return Record(record.name, record.type, rdata.to_text(), record.why)
