"""The DNS records that an instance needs, and their text: what an operator publishes.

The text is a fragment of zone files: absolute names, no SOA, no NS. The lab loads this very text.
Pure: no I/O.
"""

from __future__ import annotations

import ipaddress
import re
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from postolka.instance import mtasts, spf

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from postolka.instance.model import Domain, Instance

#: Low while a server is being set up, so that a mistake is short-lived; seconds.
TTL_SECONDS = 300
#: For a server that is set up; seconds.
LASTING_TTL_SECONDS = 3600

#: Services that mail clients look up (RFC 6186; submissions: RFC 8314, 5.1; sieve: RFC 5804, 1.8),
#: and their preference: TLS from the first byte before STARTTLS.
_CLIENT_SERVICES = {"submissions": 0, "imaps": 0, "submission": 10, "imap": 10, "sieve": 0}

#: The label of what Outlook looks for, and of a service that leads to it by another name.
_OUTLOOK = "autodiscover"
_MX_PREFERENCE = 10
_STRICT_SPF = "v=spf1 mx -all"
_NO_POLICY = re.compile(r";\s*p\s*=\s*none\b", re.IGNORECASE)
_REPORTS = re.compile(r";\s*rua\s*=", re.IGNORECASE)
#: RFC 1035, 3.3: one character string of a TXT record.
_STRING_BYTES = 255


class Port(Protocol):
    """What a record tells of a port (pyinfra_deploys.room.Port)."""

    @property
    def number(self) -> int: ...  # noqa: D102 - described there

    @property
    def protocol(self) -> str: ...  # noqa: D102

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def is_public(self) -> bool: ...  # noqa: D102

    @property
    def tls(self) -> str: ...  # noqa: D102

    @property
    def domain_hosts(self) -> Sequence[str]: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Record:
    """One record: an absolute name with its final dot, a type, and what it says."""

    name: str
    type: str
    text: str
    """The data; of a TXT record its text, whole."""
    why: str
    advice: str = ""
    """What to do about it later; empty: nothing."""

    @property
    def data(self) -> str:
        """The data in master-file form (RFC 1035, 5.1)."""
        return strings(self.text) if self.type == "TXT" else self.text

    @property
    def value(self) -> str:
        """The data as web forms want them: the text of a TXT record whole and without quotes."""
        return printable(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """What a domain has published so far; its records are to break none of it. Empty: nothing."""

    mx: tuple[str, ...] = ()
    """Its mail servers, without the final dot."""
    spf: str = ""
    dmarc: str = ""
    tlsrpt: str = ""
    has_mtasts: bool = False
    """Whether it has a policy of MTA-STS, which names its mail servers."""


def records(
    instance: Instance,
    ports: Iterable[Port],
    live: Mapping[str, Live] | None = None,
    *,
    only: str = "",
) -> list[Record]:
    """Return every record of `instance`, or of its domain `only`, grouped by what they are for.

    `ports` are what its server listens on. The domains in `live` exist already: what they have is
    built upon; all others start strict.
    """
    public = [port for port in ports if port.is_public and port.protocol == "tcp"]
    found = [] if only else list(_host(instance, public))
    for domain in instance.domains:
        if only and domain.name != only:
            continue
        old = (live or {}).get(domain.name)
        found += _domain(domain, instance) if old is None else _existing(domain, instance, old)
        found += _services(domain.name, instance, public)
    unique = {(item.name, item.type, item.text): item for item in reversed(found)}
    return list(reversed(unique.values()))


def reverse(hostname: str, addresses: Iterable[str]) -> list[Record]:
    """Return the reverse names that the addresses' owner has to be asked for (RFC 1035, 3.5)."""
    why = "Ask the owner of each address for it; many servers refuse mail from one without."
    names = (ipaddress.ip_address(address).reverse_pointer for address in addresses)
    return [Record(f"{name}.", "PTR", f"{hostname}.", why) for name in names]


def zone(
    instance: Instance,
    ports: Iterable[Port],
    live: Mapping[str, Live] | None = None,
    *,
    ttl_seconds: int = TTL_SECONDS,
    only: str = "",
) -> str:
    """Return `records` as a fragment of a zone file, with a comment above each group."""
    lines = [f"; The records to publish for {only or instance.hostname}, TTL {ttl_seconds} s."]
    if ttl_seconds < LASTING_TTL_SECONDS:
        lines.append(
            f"; That is for setting up: once all is well, publish --ttl {LASTING_TTL_SECONDS}."
        )
    if not only:
        lines += ["", *_addresses(instance)]
    group = ""
    for record in records(instance, ports, live, only=only):
        if record.why != group:
            group = record.why
            text = f"{group} {record.advice}"
            lines += ["", *textwrap.wrap(text, 98, initial_indent="; ", subsequent_indent="; ")]
        lines.append(f"{record.name} {ttl_seconds} IN {record.type} {record.data}")
    return "\n".join(lines) + "\n"


def printable(text: str) -> str:
    """Return a text on one line; what can't be printed stands as a backslash and its number."""
    return "".join(
        item if item.isprintable() else item.encode("unicode_escape").decode("ascii")
        for item in text
    )


def _addresses(instance: Instance) -> list[str]:
    """Return the comment about the server's addresses."""
    if not instance.addresses:
        return [f"; No address was given: add an A or AAAA record for {instance.hostname}."]
    return [
        "; Ask the owner of each address for its reverse name (PTR); many servers",
        "; refuse mail from an address without one:",
        *(
            f";   {item.name} {item.type} {item.data}"
            for item in reverse(instance.hostname, instance.addresses)
        ),
    ]


def _host(instance: Instance, ports: Sequence[Port]) -> Iterator[Record]:
    host = f"{instance.hostname}."
    why = "The server's addresses."
    for address in instance.ipv4:
        yield Record(host, "A", address, why)
    for address in instance.ipv6:
        yield Record(host, "AAAA", address, why)
    if instance.hostname not in {domain.name for domain in instance.domains}:
        why = (
            "The server's own name as a mail domain: its bounces are checked by it (RFC 7208, 2.4)."
        )
        yield Record(host, "MX", f"{_MX_PREFERENCE} {host}", why)
        yield Record(host, "TXT", _STRICT_SPF, why)
    why = "Which authority may issue the server's certificates (RFC 8659)."
    yield Record(host, "CAA", f'0 issue "{instance.acme.issuer}"', why)
    why = (
        "DANE (RFC 7672): the public half of the server's TLS key and of the next one, for each "
        "port that speaks TLS. They count only in a zone signed with DNSSEC."
    )
    for port in ports:
        if port.tls != "none":
            for digest in instance.tls.spki_sha256:
                yield Record(f"_{port.number}._tcp.{host}", "TLSA", f"3 1 1 {digest}", why)


def _domain(domain: Domain, instance: Instance) -> Iterator[Record]:
    """Yield the records of a domain that nobody has sent mail for yet."""
    name = f"{domain.name}."
    why = f"Mail for {domain.name} comes here, and only this server sends for it (RFC 7208)."
    yield Record(name, "MX", f"{_MX_PREFERENCE} {instance.hostname}.", why)
    yield Record(name, "TXT", _STRICT_SPF, why)
    yield from _dkim(domain)
    why = f"Mail that claims to be from {domain.name} and isn't is refused (RFC 7489)."
    yield Record(f"_dmarc.{name}", "TXT", _dmarc(domain, "reject"), why)
    yield _tlsrpt(domain)
    why = f"Which authority may issue certificates for {domain.name} (RFC 8659)."
    yield Record(name, "CAA", f'0 issue "{instance.acme.issuer}"', why)


def _existing(domain: Domain, instance: Instance, live: Live) -> Iterator[Record]:
    """Yield the records of a domain that others send mail for, and have certificates for."""
    name = f"{domain.name}."
    why = f"Mail for {domain.name} comes here."
    advice = _before_mail_comes(instance, live)
    yield Record(name, "MX", f"{_MX_PREFERENCE} {instance.hostname}.", why, advice)
    text = spf.merged(live.spf or "v=spf1 ~all", instance.hostname, mx=live.mx)
    why = f"Who sends for {domain.name}: this server, and all who did before (RFC 7208)."
    advice = f'Take out who no longer sends; once it is this server alone: "{_STRICT_SPF}".'
    yield Record(name, "TXT", text, why, "" if text == _STRICT_SPF else advice)
    yield from _dkim(domain)
    text = live.dmarc or _dmarc(domain, "none")
    is_lax = _NO_POLICY.search(text)
    if is_lax and not _REPORTS.search(text):
        text = f"{text.rstrip('; ')}; {_reports(domain)}"
    why = f"What becomes of mail that claims to be from {domain.name} and isn't (RFC 7489)."
    advice = (
        "It has nothing refused so far, but reports come. Once they have named none of your own "
        "senders as failing for two weeks: p=quarantine; after two more: p=reject."
    )
    yield Record(f"_dmarc.{name}", "TXT", text, why, advice if is_lax else "")
    yield _tlsrpt(domain, live.tlsrpt)


def _before_mail_comes(instance: Instance, live: Live) -> str:
    """Return what has to be done before the MX record is published; empty: nothing."""
    others = ", ".join(server for server in live.mx if server != instance.hostname)
    if not others:
        return ""
    advice = f"Publish it last, and the SRV records with it: until then mail goes to {others}."
    if live.has_mtasts:
        advice += (
            f" Before that have the domain's MTA-STS policy name {instance.hostname}, and give it "
            "a new id: others send nothing to a server that it doesn't name (RFC 8461, 5)."
        )
    return advice


def _dkim(domain: Domain) -> Iterator[Record]:
    why = f"Public keys of the signatures on mail from {domain.name} (RFC 6376, RFC 8463)."
    for key in domain.dkim:
        name = f"{key.selector}._domainkey.{domain.name}."
        yield Record(name, "TXT", key.record, why)


def _dmarc(domain: Domain, policy: str) -> str:
    return f"v=DMARC1; p={policy}; {_reports(domain)}"


def _reports(domain: Domain) -> str:
    return f"rua=mailto:postmaster@{domain.name}"


def _tlsrpt(domain: Domain, text: str = "") -> Record:
    why = f"Where others report mail to {domain.name} that found no TLS as it should (RFC 8460)."
    text = text or f"v=TLSRPTv1; rua=mailto:postmaster@{domain.name}"
    return Record(f"_smtp._tls.{domain.name}.", "TXT", text, why)


def _services(domain: str, instance: Instance, ports: Sequence[Port]) -> Iterator[Record]:
    host = f"{instance.hostname}."
    why = f"Where mail clients of {domain} find their server (RFC 6186, RFC 8314)."
    for port in ports if instance.has_mailboxes else ():
        if port.name in _CLIENT_SERVICES:
            priority = _CLIENT_SERVICES[port.name]
            service = f"_{port.name}._tcp.{domain}."
            yield Record(service, "SRV", f"{priority} 1 {port.number} {host}", why)
    for port in ports:
        if _OUTLOOK in port.domain_hosts:
            why = f"Where Outlook finds the settings for {domain}, if not by the name below."
            service = f"_{_OUTLOOK}._tcp.{domain}."
            yield Record(service, "SRV", f"0 1 {port.number} {host}", why)
    for label in (label for port in ports for label in port.domain_hosts):
        why = f"What the server has for {domain} on the web."
        yield Record(f"{label}.{domain}.", "CNAME", host, why)
        if label == mtasts.HOST:
            why = f"Mail for {domain} is to come over TLS (RFC 8461). {mtasts.until(instance)}"
            text = mtasts.record(instance)
            yield Record(f"_{mtasts.HOST}.{domain}.", "TXT", text, why)


def strings(text: str) -> str:
    """Return the character strings of a TXT record in master-file form."""
    data = text.encode("utf-8")
    pieces = [data[start : start + _STRING_BYTES] for start in range(0, len(data), _STRING_BYTES)]
    return " ".join(f'"{"".join(map(_escaped, piece))}"' for piece in pieces)


def _escaped(byte: int) -> str:
    char = chr(byte)
    if char in '"\\':
        return f"\\{char}"
    return char if char.isascii() and char.isprintable() else f"\\{byte:03d}"
