"""The sink's web server: MTA-STS policies (RFC 8461) of the domains below, whose mail it takes."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

PORT = 443
#: Domains with a policy, and the server that it names; each domain's own is `mx.` and its name.
POLICIES = {
    "sts.example": "mx.sts.example",
    "sts-other.example": "mx.elsewhere.example",
    "sts-dane.example": "mx.sts-dane.example",
    "sts-dane-wrong.example": "mx.sts-dane-wrong.example",
}
_HOST = "mta-sts."


def names() -> list[str]:
    """Return the names that the server's certificate needs."""
    return [f"{prefix}{domain}" for domain in POLICIES for prefix in (_HOST, "mx.")]


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one request with the policy of the domain that it names."""
    with contextlib.suppress(OSError, ValueError, EOFError):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii")
        fields = dict(line.lower().split(": ", 1) for line in head.splitlines()[1:] if line)
        domain = fields.get("host", "").removeprefix(_HOST)
        status, body = "404 Not Found", ""
        if domain in POLICIES and head.startswith("GET /.well-known/mta-sts.txt "):
            lines = ("version: STSv1", "mode: enforce", f"mx: {POLICIES[domain]}", "max_age: 86400")
            status, body = "200 OK", "".join(f"{line}\r\n" for line in lines)
        head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nConnection: close\r\n"
        answer = f"{head}Content-Length: {len(body)}\r\n\r\n{body}"
        writer.write(answer.encode("ascii"))
        await writer.drain()
    writer.close()
