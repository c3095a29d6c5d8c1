"""Wrong passwords from a stranger's address, by every protocol that takes one."""

from __future__ import annotations

import base64
import ssl
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable
    from io import BufferedRWPair

    from postolka.acceptance import Subject

_WRONG = "not the password"
#: What is said before TLS, with the beginning of each answer's last line; first the greeting's.
_BEFORE_TLS: dict[int, tuple[tuple[str, bytes], ...]] = {
    587: (("", b"220 "), ("EHLO guesser.example", b"250 "), ("STARTTLS", b"220 ")),
    465: (),
    143: (("", b"* OK"), ("a STARTTLS", b"a OK")),
    993: (),
    4190: (("", b"OK "), ("STARTTLS", b"OK ")),
}
_GREETING = {465: (("", b"220 "),), 993: (("", b"* OK"),), 4190: (("", b"OK "),)}
PORTS = tuple(_BEFORE_TLS)


def connect(subject: Subject, port: int, source: str) -> socket.socket:
    """Return a connection from the address of a stranger, of the family of `source`."""
    kind = "AAAA" if ":" in source else "A"
    server = subject.lab.lookup(subject.server.name, kind)[0].decode("ascii")
    return subject.lab.connect(server, port, source=source)


def guess(subject: Subject, port: int, source: str, login: str) -> bytes:
    """Try one wrong password; return the server's answer."""
    connection = connect(subject, port, source)
    with connection:
        stream = connection.makefile("rwb")
        _talk(stream, _BEFORE_TLS[port])
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with context.wrap_socket(connection) as encrypted:
            stream = encrypted.makefile("rwb")
            _talk(stream, _GREETING.get(port, ()))
            plain = base64.b64encode(f"\0{login}\0{_WRONG}".encode()).decode("ascii")
            if port in (587, 465):
                _talk(stream, (("EHLO guesser.example", b"250 "),))
                return _talk(stream, ((f"AUTH PLAIN {plain}", b"535"),))
            if port == 4190:
                return _talk(stream, ((f'AUTHENTICATE "PLAIN" "{plain}"', b"NO"),))
            return _talk(stream, ((f'b LOGIN "{login}" "{_WRONG}"', b"b NO"),))


def everywhere(subject: Subject, sources: Iterable[str], login: str) -> None:
    """Try one wrong password on every port from each source, all at once."""
    tries = [(port, source) for port in PORTS for source in sources]
    with ThreadPoolExecutor(max_workers=len(tries)) as pool:
        jobs = [pool.submit(guess, subject, port, source, login) for port, source in tries]
        for job in jobs:
            job.result()


def _talk(stream: BufferedRWPair, dialogue: Iterable[tuple[str, bytes]]) -> bytes:
    line = b""
    for said, wanted in dialogue:
        if said:
            stream.write(f"{said}\r\n".encode())
            stream.flush()
        while not (line := stream.readline()).startswith(wanted):
            assert line, f"no answer to {said}"
    return line
