"""A mail server that takes everything, for everybody but nobody-…, and keeps it, byte for byte.

On 465 and 587 it is a relay host: it takes mail after a login only. TLS by a key of its own is
there on every port, on 25 for who wants it. Its web server has MTA-STS policies.

Run as a program: `python -m postolka.lab.sink DIRECTORY ADDRESS...`. Each mail becomes a directory
with `message` (as it came, dots unstuffed) and `envelope.json`; it appears whole or not at all. The
file `spki` holds the SHA-256 of its public key, as in TLSA 3 1 1.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import re
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from postolka.lab import mtasts, tls

NAME = "mx.sink.example"
PORT, SUBMISSIONS, SUBMISSION = 25, 465, 587
_RELAY_PORTS = (SUBMISSIONS, SUBMISSION)
#: What a relay host takes.
USER, PASSWORD = "relay-user", "relay-Pass$word#1"
SPKI = "spki"
_MAX_LINE_BYTES = 1 << 20
_MAX_MESSAGE_BYTES = 200 << 20
#: How addresses begin that it doesn't know.
UNKNOWN = "nobody-"
_EXTENSIONS = ("PIPELINING", f"SIZE {_MAX_MESSAGE_BYTES}", "8BITMIME", "SMTPUTF8")
_PATH = re.compile(rb"^(?:MAIL FROM|RCPT TO):\s*<([^>]*)>", re.IGNORECASE)


@dataclass(slots=True)
class Envelope:
    """What the client said before the message."""

    client: str
    port: int = PORT
    helo: str = ""
    login: str = ""
    is_encrypted: bool = False
    sender: str = ""
    recipients: list[str] = field(default_factory=list)
    is_open: bool = False


class Sink:
    """Writes mails below `directory`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.context, spki = tls.server_context([NAME, *mtasts.names()])
        directory.mkdir(parents=True, exist_ok=True)
        (directory / SPKI).write_text(f"{spki}\n", encoding="ascii")
        self._numbers = itertools.count()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak SMTP (RFC 5321) with one client."""
        envelope = Envelope(
            client=str(writer.get_extra_info("peername")[0]),
            port=int(writer.get_extra_info("sockname")[1]),
            is_encrypted=writer.get_extra_info("ssl_object") is not None,
        )
        try:
            await _say(writer, f"220 {NAME} ESMTP sink")
            while line := (await reader.readline()).rstrip(b"\r\n") or None:
                if not await self._command(line, envelope, reader, writer):
                    break
        except (OSError, ValueError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _command(
        self,
        line: bytes,
        envelope: Envelope,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        """Answer one command; return whether the client may give another."""
        verb = line[:4].upper()
        path = _PATH.match(line)
        address = path.group(1).decode("utf-8", errors="replace") if path else ""
        if verb in (b"EHLO", b"HELO"):
            envelope.helo = line[5:].decode("utf-8", errors="replace")
            lines = [NAME, *(_extensions(envelope) if verb == b"EHLO" else ())]
            await _say(writer, *(f"250-{text}" for text in lines[:-1]), f"250 {lines[-1]}")
        elif verb == b"STAR" and not envelope.is_encrypted:
            await _say(writer, "220 2.0.0 Go ahead")
            await writer.start_tls(self.context)
            envelope.is_encrypted = True
        elif verb == b"AUTH" and envelope.is_encrypted:
            envelope.login = _login(line)
            await _say(writer, "235 2.7.0 Ok" if envelope.login else "535 5.7.8 Wrong")
        elif verb == b"MAIL" and envelope.port in _RELAY_PORTS and not envelope.login:
            await _say(writer, "530 5.7.0 Log in first")
        elif verb == b"MAIL" and path:
            envelope.sender, envelope.recipients, envelope.is_open = address, [], True
            await _say(writer, "250 2.1.0 Ok")
        elif verb == b"RCPT" and path and envelope.is_open:
            await _say(writer, _named(envelope, address))
        elif verb == b"DATA" and envelope.recipients:
            await _say(writer, "354 Go ahead")
            message = await _message(reader)
            self._keep(envelope, message)
            envelope.is_open, envelope.recipients = False, []
            await _say(writer, "250 2.0.0 Ok: kept")
        elif verb in (b"RSET", b"NOOP"):
            envelope.is_open, envelope.recipients = verb == b"NOOP" and envelope.is_open, []
            await _say(writer, "250 2.0.0 Ok")
        elif verb == b"QUIT":
            await _say(writer, "221 2.0.0 Bye")
            return False
        else:
            await _say(writer, "503 5.5.1 Not now")
        return True

    def _keep(self, envelope: Envelope, message: bytes) -> None:
        name = f"{time.time_ns():020d}-{next(self._numbers)}"
        new = self.directory / f".{name}"
        new.mkdir(parents=True)
        (new / "message").write_bytes(message)
        (new / "envelope.json").write_text(json.dumps(asdict(envelope)), encoding="utf-8")
        new.rename(self.directory / name)


def _named(envelope: Envelope, address: str) -> str:
    """Note a recipient; return the answer."""
    if address.startswith(UNKNOWN):
        return "550 5.1.1 Unknown"
    envelope.recipients.append(address)
    return "250 2.1.5 Ok"


def _extensions(envelope: Envelope) -> list[str]:
    extensions = list(_EXTENSIONS)
    if not envelope.is_encrypted:
        extensions.append("STARTTLS")
    elif envelope.port in _RELAY_PORTS:
        extensions.append("AUTH PLAIN")
    return extensions


def _login(line: bytes) -> str:
    """Return who logs in by AUTH PLAIN with an initial response (RFC 4616); empty where wrong."""
    words = line.split()
    expected = b"\0" + USER.encode("ascii") + b"\0" + PASSWORD.encode("ascii")
    is_right = len(words) == 3 and base64.b64decode(words[2]).endswith(expected)  # noqa: PLR2004
    return USER if is_right else ""


async def _message(reader: asyncio.StreamReader) -> bytes:
    """Read up to the line with the single dot (RFC 5321, 4.5.2)."""
    lines = []
    size = 0
    while (line := await reader.readline()) not in (b".\r\n", b""):
        lines.append(line[1:] if line.startswith(b".") else line)
        size += len(line)
        if size > _MAX_MESSAGE_BYTES:
            raise ValueError("the message is too long")
    if not line:
        raise asyncio.IncompleteReadError(b"", None)
    return b"".join(lines)


async def _say(writer: asyncio.StreamWriter, *lines: str) -> None:
    writer.write("".join(f"{line}\r\n" for line in lines).encode("utf-8"))
    await writer.drain()


async def _main(directory: Path, addresses: list[str]) -> None:
    sink = Sink(directory)
    servers = [
        await asyncio.start_server(
            sink.serve,
            address,
            port,
            limit=_MAX_LINE_BYTES,
            ssl=sink.context if port == SUBMISSIONS else None,
        )
        for address in addresses
        for port in (PORT, SUBMISSIONS, SUBMISSION)
    ]
    servers += [
        await asyncio.start_server(mtasts.serve, address, mtasts.PORT, ssl=sink.context)
        for address in addresses
    ]
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    os.umask(0o077)
    asyncio.run(_main(Path(sys.argv[1]), sys.argv[2:]))
