"""Any bytes, said to a port of the server by a stranger, and the lines that come back."""

from __future__ import annotations

import contextlib
import re
import ssl
from typing import TYPE_CHECKING, Self

from postolka.lab import world
from tests.container.test_mail import unverified

if TYPE_CHECKING:
    import socket

    from postolka.acceptance import Subject

_TIMEOUT_SECONDS = 30
#: What an end looks like that came before all was said.
_GONE = (ConnectionError, ssl.SSLError)
#: Whose TLS comes first.
_WRAPPED = (465, 993)
#: The last line of an answer: SMTP's, IMAP's with any tag or a refusal without one, ManageSieve's.
_LAST = re.compile(rb"\d{3} |\w+ (OK|NO|BAD)\b|\* (OK \[CAP|BYE|BAD)|\+|(OK|NO|BYE)\b")


class Dialogue:
    """A connection on which nothing has been said yet."""

    def __init__(self, subject: Subject, port: int, *, number: int = 0) -> None:
        source = world.stranger(number).ipv4
        self._socket: socket.socket = subject.lab.connect(subject.address, port, source=source)
        self._socket.settimeout(_TIMEOUT_SECONDS)
        self._file = self._socket.makefile("rb")
        if port in _WRAPPED:
            self.start_tls()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()

    def start_tls(self) -> None:
        """Go on encrypted. Raises OSError where the server won't."""
        self._file.close()
        self._socket = unverified().wrap_socket(self._socket)
        self._file = self._socket.makefile("rb")

    def say(self, data: bytes) -> bytes:
        """Send bytes; return the next answer's last line, empty where the connection is over."""
        # What it had to say may be there, though it has stopped listening.
        with contextlib.suppress(*_GONE):
            self._socket.sendall(data)
        return self.hear()

    def hear(self) -> bytes:
        """Return the last line of the next answer, empty where the connection is over."""
        line = b""
        with contextlib.suppress(*_GONE):
            while (line := self._file.readline()) and not _LAST.match(line):
                pass
        return line
