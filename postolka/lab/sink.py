"""A mail server that takes everything for everybody and keeps it, byte for byte.

Run as a program: `python -m postolka.lab.sink DIRECTORY ADDRESS...`. Each mail becomes a directory
with `message` (as it came, dots unstuffed) and `envelope.json`; it appears whole or not at all.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

NAME = "mx.sink.example"
PORT = 25
_MAX_LINE_BYTES = 1 << 20
_MAX_MESSAGE_BYTES = 200 << 20
_EXTENSIONS = ("PIPELINING", f"SIZE {_MAX_MESSAGE_BYTES}", "8BITMIME", "SMTPUTF8")
_PATH = re.compile(rb"^(?:MAIL FROM|RCPT TO):\s*<([^>]*)>", re.IGNORECASE)


@dataclass(slots=True)
class Envelope:
    """What the client said before the message."""

    client: str
    helo: str = ""
    sender: str = ""
    recipients: list[str] = field(default_factory=list)
    is_open: bool = False


class Sink:
    """Writes mails below `directory`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._numbers = itertools.count()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak SMTP (RFC 5321) with one client."""
        envelope = Envelope(str(writer.get_extra_info("peername")[0]))
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
            extensions = _EXTENSIONS if verb == b"EHLO" else ()
            lines = [NAME, *extensions]
            await _say(writer, *(f"250-{text}" for text in lines[:-1]), f"250 {lines[-1]}")
        elif verb == b"MAIL" and path:
            envelope.sender, envelope.recipients, envelope.is_open = address, [], True
            await _say(writer, "250 2.1.0 Ok")
        elif verb == b"RCPT" and path and envelope.is_open:
            envelope.recipients.append(address)
            await _say(writer, "250 2.1.5 Ok")
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
        await asyncio.start_server(sink.serve, address, PORT, limit=_MAX_LINE_BYTES)
        for address in addresses
    ]
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    os.umask(0o077)
    asyncio.run(_main(Path(sys.argv[1]), sys.argv[2:]))
