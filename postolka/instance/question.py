"""One HTTP request on a connection that systemd has accepted, and its answer (RFC 9110, RFC 9112).

The connection is the program's standard input and output; it serves one and ends.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: A request is shorter.
_MAX_LINE_BYTES, _MAX_LINES = 8192, 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked."""

    method: str
    path: str
    """Without its query."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """By name in lower case."""

    @property
    def is_head(self) -> bool:
        """Whether the answer is to have no body."""
        return self.method == "HEAD"


def read(stream: BinaryIO) -> Request:
    """Read a request; of one that is none, what there is of it."""
    words = _line(stream).split()
    headers = {}
    for _ in range(_MAX_LINES):
        line = _line(stream).strip()
        if not line:
            break
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    method, target, *_ = (*words, "", "")
    return Request(method=method, path=target.partition("?")[0], headers=headers)


def _line(stream: BinaryIO) -> str:
    return stream.readline(_MAX_LINE_BYTES).decode("ascii", errors="replace")


def response(
    code: str, text: str, *, kind: str, headers: Mapping[str, str] | None = None, is_head: bool
) -> bytes:
    """Return an answer; `code` is a status line's, with its reason."""
    body = text.encode("utf-8")
    fields = {
        "Content-Type": kind,
        "Content-Length": str(len(body)),
        "Connection": "close",
        **(headers or {}),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {code}\r\n{head}\r\n".encode("ascii") + (b"" if is_head else body)


def serve(answer: Callable[[BinaryIO], bytes]) -> None:
    """Answer on standard input and output; no program that is run meanwhile gets them."""
    request, reply = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    with request, reply:
        reply.write(answer(request))
