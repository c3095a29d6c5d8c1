"""The sink's web server: MTA-STS policies (RFC 8461) of the domains below, whose mail it takes.

Each domain's own mail server is `mx.` and its name.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import asyncio

PORT = 443
_HOST = "mta-sts."


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a domain publishes, and which of its servers can prove their names."""

    mx: str
    mode: Literal["enforce", "testing", "none"] = "enforce"
    web_is_certified: bool = True
    mx_is_certified: bool = True


POLICIES = {
    "sts.example": Policy(mx="mx.sts.example"),
    "sts-wildcard.example": Policy(mx="*.sts-wildcard.example"),
    "sts-other.example": Policy(mx="mx.elsewhere.example"),
    "sts-testing.example": Policy(mx="mx.elsewhere.example", mode="testing"),
    "sts-mx.example": Policy(mx="mx.sts-mx.example", mx_is_certified=False),
    "sts-web.example": Policy(mx="mx.sts-web.example", web_is_certified=False),
    "sts-away.example": Policy(mx="mx.sts-away.example"),
    "sts-dane.example": Policy(mx="mx.sts-dane.example"),
    "sts-dane-half.example": Policy(mx="mx.sts-dane-half.example"),
    "sts-dane-wrong.example": Policy(mx="mx.sts-dane-wrong.example"),
    "sts-dane-unusable.example": Policy(mx="mx.sts-dane-unusable.example"),
}


def names() -> list[str]:
    """Return the names that the server's certificate needs."""
    web = [f"{_HOST}{domain}" for domain, policy in POLICIES.items() if policy.web_is_certified]
    return [
        *web,
        *(f"mx.{domain}" for domain, policy in POLICIES.items() if policy.mx_is_certified),
    ]


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one request with the policy of the domain that it names."""
    with contextlib.suppress(OSError, ValueError, EOFError):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii")
        fields = dict(line.lower().split(": ", 1) for line in head.splitlines()[1:] if line)
        policy = POLICIES.get(fields.get("host", "").removeprefix(_HOST))
        status, body = "404 Not Found", ""
        if policy and head.startswith("GET /.well-known/mta-sts.txt "):
            lines = ("version: STSv1", f"mode: {policy.mode}", f"mx: {policy.mx}", "max_age: 86400")
            status, body = "200 OK", "".join(f"{line}\r\n" for line in lines)
        head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nConnection: close\r\n"
        answer = f"{head}Content-Length: {len(body)}\r\n\r\n{body}"
        writer.write(answer.encode("ascii"))
        await writer.drain()
    writer.close()
