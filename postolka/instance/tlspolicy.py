"""What TLS a destination asks for: Postfix's smtp_tls_policy_maps, DANE before MTA-STS.

A socketmap (socketmap_table(5)) before postfix-mta-sts-resolver. Where a domain has an MTA-STS
policy *and* a mail server with TLSA records, it answers `dane-only`: RFC 8461, 2, forbids to take
the policy for what DANE refuses, and a server without TLSA would be a way around both. Where there
is no policy nothing is found, and main.cf's level, `dane`, holds.

Needs python3-dnspython, so nothing else may import it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype

_ADDRESS = "127.0.0.1"
_PORT, _UPSTREAM_PORT = 8462, 8461
_SECONDS = 20
_DNS_SECONDS = 10
_MAX_DIGITS = 4
_MAP = "postfix"
_NOT_FOUND = "NOTFOUND "
#: A domain; not [host]:port of a relay, nor a parent domain.
_DOMAIN = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+")


class _NoAnswerError(Exception):
    """The resolver has failed: what others answer doesn't hold, or nobody answers."""


_NO_ANSWER = (OSError, dns.exception.DNSException, _NoAnswerError)
_log = logging.getLogger("tlspolicy")


async def reply(domain: str) -> str:
    """Return the socketmap's reply for a next hop; TEMP where it can't be known."""
    if not _DOMAIN.fullmatch(domain):
        return _NOT_FOUND
    try:
        async with asyncio.timeout(_SECONDS):
            policy = await _mta_sts(domain)
            if policy.startswith("OK ") and await has_dane(domain):
                return "OK dane-only"
    except (*_NO_ANSWER, ValueError, EOFError) as error:
        _log.warning("%s: %s", domain, error or type(error).__name__)
        return "TEMP no policy can be had"
    return policy


async def has_dane(domain: str) -> bool:
    """Return whether a mail server of `domain` has TLSA records, or hides whether it has.

    Raises an error of _NO_ANSWER where the list of servers can't be had.
    """
    answer = await _ask(domain, "MX")
    if not _is_secure(answer):
        return False
    # "10 mx.example.org.": preference and server.
    hosts = [item.split()[-1] for item in _values(answer, dns.rdatatype.MX)] or [domain]
    return any([await _has_tlsa(host) for host in hosts])


async def _has_tlsa(host: str) -> bool:
    # Without a secure address there is no DANE (RFC 7672, 2.2.2), and an old name server there may
    # well fail at a question for TLSA.
    if not _is_secure(await _ask(host, "A")):
        return False
    try:
        answer = await _ask(f"_25._tcp.{host}", "TLSA")
    except _NO_ANSWER:
        # Forged, or cut off: Postfix, too, puts off such mail.
        return True
    return _is_secure(answer) and bool(_values(answer, dns.rdatatype.TLSA))


def _is_secure(answer: dns.message.Message) -> bool:
    """Whether the machine's resolver has validated the answer."""
    return bool(answer.flags & dns.flags.AD)


def _values(answer: dns.message.Message, kind: dns.rdatatype.RdataType) -> list[str]:
    return [item.to_text() for rrset in answer.answer if rrset.rdtype == kind for item in rrset]


async def _ask(name: str, kind: str) -> dns.message.Message:
    """Ask the machine's resolver. Raises _NO_ANSWER for a failure, as of a forged answer."""
    question = dns.message.make_query(name, kind, flags=dns.flags.RD | dns.flags.AD)
    answer, _ = await dns.asyncquery.udp_with_fallback(question, _ADDRESS, timeout=_DNS_SECONDS)
    if answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        raise _NoAnswerError(f"{name} {kind}: {dns.rcode.to_text(answer.rcode())}")
    return answer


async def _mta_sts(domain: str) -> str:
    """Ask postfix-mta-sts-resolver."""
    reader, writer = await asyncio.open_connection(_ADDRESS, _UPSTREAM_PORT)
    try:
        writer.write(packed(f"{_MAP} {domain}"))
        await writer.drain()
        return await unpacked(reader)
    finally:
        writer.close()


def packed(text: str) -> bytes:
    """Return a netstring."""
    data = text.encode()
    return b"%d:%s," % (len(data), data)


async def unpacked(reader: asyncio.StreamReader) -> str:
    """Read a netstring. Raises ValueError for what is none, EOFError at the end."""
    length = await reader.readuntil(b":")
    if len(length) > _MAX_DIGITS + 1 or not length[:-1].isdigit():
        raise ValueError("not a netstring")
    data = await reader.readexactly(int(length[:-1]) + 1)
    return data[:-1].decode()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, ValueError, EOFError):
        while True:
            _, _, domain = (await unpacked(reader)).partition(" ")
            writer.write(packed(await reply(domain)))
            await writer.drain()
    writer.close()


async def _run() -> None:
    server = await asyncio.start_server(_serve, _ADDRESS, _PORT)
    await server.serve_forever()


def main() -> None:
    """Serve for ever."""
    logging.basicConfig(format="%(message)s")
    asyncio.run(_run())
