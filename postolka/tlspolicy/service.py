"""The daemon: a socketmap (socketmap_table(5)) before postfix-mta-sts-resolver.

Where a domain has an MTA-STS policy *and* a mail server with TLSA records, it answers `dane-only`:
RFC 8461, 2, forbids to take the policy for what DANE refuses, and a server without TLSA would be a
way around both. Where there is no policy nothing is found, and main.cf's level, `dane`, holds. What
can't be known puts the mail off.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import socket

from postolka.tlspolicy import dane

_ADDRESS = "127.0.0.1"
_PORT, _UPSTREAM_PORT = 8462, 8461
#: Both the policy's web server and the DNS may be slow; Postfix waits 100 s.
_SECONDS = 40
_MAX_DIGITS = 4
_MAP = "postfix"
_NOT_FOUND = "NOTFOUND "
#: A domain; not [host]:port of a relay, nor a parent domain.
_DOMAIN = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+")
_UNKNOWN = (*dane.NO_ANSWER, ValueError, EOFError)
_log = logging.getLogger("tlspolicy")


async def reply(next_hop: str) -> str:
    """Return the socketmap's reply for a next hop of Postfix's; TEMP where it can't be known."""
    domain = dane.in_ascii(next_hop)
    if not _DOMAIN.fullmatch(domain):
        return _NOT_FOUND
    try:
        async with asyncio.timeout(_SECONDS):
            policy = await _mta_sts(domain)
            if policy.startswith("OK ") and await dane.protects(domain):
                return "OK dane-only"
    except _UNKNOWN as error:
        _log.warning("%s: mail waits, %s", domain, error or type(error).__name__)
        return "TEMP the policy isn't known"
    return policy


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
    try:
        length = await reader.readuntil(b":")
    except asyncio.LimitOverrunError as error:
        raise ValueError("not a netstring") from error
    if len(length) > _MAX_DIGITS + 1 or not length[:-1].isdigit():
        raise ValueError("not a netstring")
    data = await reader.readexactly(int(length[:-1]) + 1)
    if not data.endswith(b","):
        raise ValueError("not a netstring")
    return data[:-1].decode()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, ValueError, EOFError):
        while True:
            _, _, next_hop = (await unpacked(reader)).partition(" ")
            writer.write(packed(await reply(next_hop)))
            await writer.drain()
    writer.close()


async def _run() -> None:
    server = await asyncio.start_server(_serve, _ADDRESS, _PORT)
    _tell_systemd()
    await server.serve_forever()


def _tell_systemd() -> None:
    """Say that whoever asks gets an answer from now on (sd_notify(3))."""
    if path := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            client.sendto(b"READY=1", path)


def main() -> None:
    """Serve for ever."""
    logging.basicConfig(format="%(message)s")
    asyncio.run(_run())
