"""What the DNS says at present, as a resolver tells it: the system's, or one that is named."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.resolver
from dns.rdtypes.ANY.TXT import TXT

from postolka.errors import PostolkaError
from postolka.instance import spf
from postolka.instance.dns import Live, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_SECONDS = 15.0
#: What fits into one packet everywhere (RFC 9715, 3.1).
_PAYLOAD_BYTES = 1232


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one question came to."""

    values: tuple[str, ...] = ()
    """The data of the records, sorted, as `value` has it; none: no such record."""
    is_authentic: bool = False
    """Whether the resolver vouches for it by DNSSEC (the AD bit: RFC 4035, 3.2.3)."""
    failure: str = ""
    """Why nobody gets an answer, for example SERVFAIL; empty: it is one."""
    ttl_seconds: int = field(default=0, compare=False)
    """How long others keep the records: as signed (RFC 4034, 3.1.4), else what is left of it at the
    resolver."""


if TYPE_CHECKING:
    #: Asks for a name with its final dot, and a type. Raises PostolkaError where nobody answers.
    Lookup = Callable[[str, str], Answer]


def value(rdata: dns.rdata.Rdata) -> str:
    """Return a record's data on one line; readers join a TXT record's strings without a space.

    What can't be printed stands as a backslash and its number: records may be anybody's.
    """
    if not isinstance(rdata, TXT):
        return rdata.to_text()
    return printable(b"".join(rdata.strings).decode("utf-8", errors="replace"))


def resolver(address: str | None = None) -> Lookup:
    """Return what asks the resolver at an address, or the system's.

    Raises PostolkaError where the system has none.
    """
    try:
        asked = dns.resolver.Resolver(configure=address is None)
    except dns.resolver.NoResolverConfiguration as error:
        hint = "name one: --resolver ADDRESS"
        raise PostolkaError("/etc/resolv.conf", "names no resolver", hint=hint) from error
    if address is not None:
        asked.nameservers = [address]
    asked.lifetime = _SECONDS
    asked.use_edns(0, dns.flags.DO, _PAYLOAD_BYTES)
    return lambda name, kind: _ask(asked, name, kind)


def read(domains: Iterable[str], ask: Lookup) -> dict[str, Live]:
    """Return what each of the domains has published.

    Raises PostolkaError where that can't be known, or can't be built upon.
    """
    return {domain: _live(domain, ask) for domain in domains}


def problems(live: Mapping[str, Live], hostname: str, ask: Lookup) -> list[str]:
    """Return what is wrong with the domains' SPF records once they name the server besides."""

    def of(name: str) -> str:
        found = filter(spf.is_record, ask(f"{name.removesuffix('.')}.", "TXT").values)
        return next(found, "")

    return [
        f"{name}: its SPF record, with this server in it: {problem}"
        for name, found in live.items()
        for problem in spf.problems(spf.merged(found.spf, hostname, mx=found.mx), of)
    ]


def _live(domain: str, ask: Lookup) -> Live:
    def texts(name: str, version: str) -> list[str]:
        found = _sure(ask, name, "TXT")
        return [text for text in found if text.lower().startswith(version)]

    senders = [text for text in _sure(ask, f"{domain}.", "TXT") if spf.is_record(text)]
    if len(senders) > 1:
        problem = f"has {len(senders)} SPF records, so that receivers ignore all (RFC 7208, 4.5)"
        raise PostolkaError(domain, problem, hint="leave one with the terms of all; then again")
    return Live(
        mx=tuple(item.split()[1].removesuffix(".") for item in _sure(ask, f"{domain}.", "MX")),
        spf=next(iter(senders), ""),
        dmarc=next(iter(texts(f"_dmarc.{domain}.", "v=dmarc1")), ""),
        tlsrpt=next(iter(texts(f"_smtp._tls.{domain}.", "v=tlsrptv1")), ""),
        has_mtasts=bool(texts(f"_mta-sts.{domain}.", "v=stsv1")),
    )


def _sure(ask: Lookup, name: str, kind: str) -> tuple[str, ...]:
    answer = ask(name, kind)
    if answer.failure:
        hint = "what is live can't be known; try again, or another --resolver"
        raise PostolkaError(f"{name} {kind}", answer.failure, hint=hint)
    return answer.values


def _ask(resolver: dns.resolver.Resolver, name: str, kind: str) -> Answer:
    # The AD bit in a question asks for it in the answer (RFC 6840, 5.7); CD is for what is bogus.
    resolver.flags = dns.flags.RD | dns.flags.AD
    try:
        return _resolved(resolver, name, kind)
    except dns.resolver.NoNameservers as error:
        failure = _rcode(error, name, kind)
    if failure == "SERVFAIL":
        resolver.flags |= dns.flags.CD
        try:
            _resolved(resolver, name, kind)
        except dns.resolver.NoNameservers:
            pass
        else:
            failure = "its DNSSEC signatures don't hold"
    return Answer(failure=failure)


def _resolved(resolver: dns.resolver.Resolver, name: str, kind: str) -> Answer:
    wanted = dns.rdatatype.from_text(kind)
    try:
        found = resolver.resolve(name, wanted, raise_on_no_answer=False, search=False)
    except dns.resolver.NXDOMAIN as error:
        (response,) = error.kwargs["responses"].values()
        return Answer(is_authentic=_is_authentic(response))
    except dns.resolver.LifetimeTimeout as error:
        servers = " ".join(map(str, resolver.nameservers))
        raise _silent(servers, name, kind, f"in {_SECONDS:.0f} s") from error
    return Answer(
        values=tuple(sorted(map(value, found.rrset or ()))),
        is_authentic=_is_authentic(found.response),
        ttl_seconds=_ttl(found.response, wanted),
    )


def _ttl(response: dns.message.Message, wanted: dns.rdatatype.RdataType) -> int:
    """Return the TTL of the records of that type in an answer; 0: there are none."""
    found = 0
    for records in response.answer:
        if records.rdtype == dns.rdatatype.RRSIG and records.covers == wanted:
            return int(records[0].original_ttl)
        if records.rdtype == wanted:
            found = records.ttl
    return found


def _is_authentic(response: dns.message.Message) -> bool:
    return bool(response.flags & dns.flags.AD)


def _rcode(error: dns.resolver.NoNameservers, name: str, kind: str) -> str:
    """Return the answer that is none, as a word. Raises PostolkaError where there is none."""
    *_, (server, _, _, why, response) = error.kwargs["errors"]
    if response is None:
        raise _silent(str(server), name, kind, f"({why})") from error
    return dns.rcode.to_text(response.rcode())


def _silent(server: str, name: str, kind: str, why: str) -> PostolkaError:
    hint = "try another --resolver, or see what is between here and there"
    return PostolkaError(server, f"no answer about {name} {kind} {why}", hint=hint)
