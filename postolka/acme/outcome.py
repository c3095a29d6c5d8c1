"""What the client has left of an order. It is another user's, and nothing of it is trusted."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from postolka.instance import chain, grammar

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography import x509

#: A chain has some 5 KiB.
_MAX_BYTES = 1 << 16
_DETAIL = re.compile(r'"detail":\s*"((?:[^"\\]|\\.)*)"')
#: The program, and the function that it was in.
_PREFIX = re.compile(r"uacme: (curl_(get|post): )?")
_MAX_CHARACTERS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """All of it."""

    certificates: tuple[x509.Certificate, ...]
    """The server's first; none where it didn't come to that."""
    log: str
    refused: tuple[str, ...]
    """Names that the authority tried to prove, and couldn't."""

    def problem(self, private_key: str, hostname: str, now: float) -> str:
        """Return why the server can't show what came; empty: it can."""
        if not self.certificates:
            return _cause(self.log)
        if problem := chain.problem(self.certificates, private_key, hostname):
            return f"what came {problem}"
        if now >= chain.end(self.certificates[0]):
            return "what came has ended already; is the clock right?"
        return ""


def read(desk: Path, order: str) -> Outcome:
    """Read what is on the client's desk."""
    names = _read(desk / "refused").decode("ascii", errors="replace").split()
    return Outcome(
        certificates=chain.load(_read(desk / f"{order}-cert.pem")),
        log=_read(desk / f"{order}.log").decode("utf-8", errors="replace"),
        refused=tuple(name for name in names if grammar.dns_name(name) is None),
    )


def _read(path: Path) -> bytes:
    """Return a regular file's beginning; nothing of a link, which could lead anywhere."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read(_MAX_BYTES)


def _cause(log: str) -> str:
    """Return what the authority has said, else the client's first complaint."""
    details = _DETAIL.findall(log)
    lines = [_PREFIX.sub("", line).strip() for line in log.splitlines() if line.strip()]
    text = details[-1] if details else next(iter(lines), "the client has said nothing")
    return "".join(item if item.isprintable() else " " for item in text)[:_MAX_CHARACTERS]
