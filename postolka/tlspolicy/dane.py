"""Whether DANE protects a domain's mail (RFC 7672), as the machine's validating resolver has it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import dns.asyncresolver
import dns.exception
import dns.flags
import dns.name
import dns.resolver

if TYPE_CHECKING:
    from dns.rdtypes.ANY.TLSA import TLSA

_RESOLVER = "127.0.0.1"
_SECONDS = 10
#: What Postfix can check: usages 0 and 1 bring in the public authorities (RFC 7672, 3.1.3).
_USAGES, _SELECTORS, _MATCHING_TYPES = (2, 3), (0, 1), (0, 1, 2)

#: The resolver has failed: what others answer is forged, or nobody answers.
NO_ANSWER = (OSError, dns.exception.DNSException)


def in_ascii(domain: str) -> str:
    """Return how the DNS has a domain that may be in UTF-8 (RFC 6531); what is no name stays so.

    By IDNA 2008, as Postfix sees it: Python's own codec takes "ß" for "ss", another's domain.
    """
    with contextlib.suppress(dns.exception.DNSException):
        name = dns.name.from_text(domain, idna_codec=dns.name.IDNA_2008_Practical)
        return name.to_text(omit_final_dot=True)
    return domain


async def protects(domain: str) -> bool:
    """Return whether a mail server of `domain` has TLSA records, or hides whether it has.

    Without a secure MX record the answer is no: who forges it can name a server of his own, with
    TLSA records. Raises an error of NO_ANSWER where the servers can't be had, or one's address
    can't and no other server decides.
    """
    name = dns.name.from_text(domain)
    answer = await _ask(name, "MX")
    if answer is None:
        return False
    hosts = {mx.exchange for mx in answer} or {name}
    found = await asyncio.gather(*(_has_tlsa(host) for host in hosts), return_exceptions=True)
    # One server is enough, whatever is wrong with the others.
    if True not in found and (errors := [item for item in found if isinstance(item, Exception)]):
        raise errors[0]
    return True in found


def is_usable(tlsa: TLSA) -> bool:
    """Return whether a server can be checked by this record."""
    return tlsa.usage in _USAGES and tlsa.selector in _SELECTORS and tlsa.mtype in _MATCHING_TYPES


async def _has_tlsa(host: dns.name.Name) -> bool:
    # Without a secure address there is no DANE (RFC 7672, 2.2.2), and an old name server there may
    # well fail at a question for TLSA.
    answer = await _ask(host, "A")
    if answer is None:
        return False
    # An alias's records are first those of what it stands for, as Postfix sees it.
    for name in dict.fromkeys((answer.canonical_name, host)):
        try:
            found = await _ask(dns.name.from_text("_25._tcp", name), "TLSA")
        except NO_ANSWER:
            # Forged, or cut off: Postfix, too, puts off such mail.
            return True
        if found:
            return any(is_usable(tlsa) for tlsa in found)
    return False


async def _ask(name: dns.name.Name, kind: str) -> dns.resolver.Answer | None:
    """Ask the machine's resolver. Return the answer, which may be empty, where it is validated."""
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers = [_RESOLVER]
    # With AD in the question, the answer says whether it has been validated (RFC 6840, 5.7).
    resolver.flags = dns.flags.RD | dns.flags.AD
    try:
        answer = await resolver.resolve(name, kind, raise_on_no_answer=False, lifetime=_SECONDS)
    except dns.resolver.NXDOMAIN:
        return None
    return answer if answer.response.flags & dns.flags.AD else None
