"""Send and receive mail in the lab: as its stock mail server, as a stranger, and from the sink."""

from __future__ import annotations

import contextlib
import json
import smtplib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from postolka import namespace
from postolka.errors import PostolkaError
from postolka.lab import sink, world

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from postolka.lab.client import Lab

_SMTP = 25
_TIMEOUT_SECONDS = 60
_POLL_SECONDS = 0.1
_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail that arrived in the lab."""

    sender: str
    """Of the envelope."""
    recipients: tuple[str, ...]
    client: str
    """Address of the host that brought it; unknown (empty) where the stock server took it."""
    message: bytes
    """With CRLF line ends; the sink changes not a byte."""
    port: int = _SMTP
    """Of the sink, by which it came: 465 and 587 want a login."""
    login: str = ""
    is_encrypted: bool = False


def send(lab: Lab, sender: str, recipients: Sequence[str], message: bytes) -> None:
    """Give a mail to the lab's stock mail server as one of its users; it delivers by DNS.

    Raises smtplib.SMTPException where it doesn't take the mail.
    """
    with _client(lab.outside, _LOOPBACK, None) as client:
        client.sendmail(sender, recipients, message, mail_options=_options(message))


@contextlib.contextmanager
def inside(lab: Lab, server: str) -> Iterator[smtplib.SMTP]:
    """Connect to `server` (an address) on port 587 from the sink's host, greeted, without TLS yet.

    The sink is where the mail of a server without mailboxes goes on to, and its client.
    Raises smtplib.SMTPException or OSError as the server acts.
    """
    source = world.SINK.ipv6 if ":" in server else world.SINK.ipv4
    with _client(lab.strangers, server, source, sink.NAME, port=sink.SUBMISSION) as client:
        client.ehlo()
        yield client


@contextlib.contextmanager
def stranger(
    lab: Lab, server: str, *, number: int = 0, helo: str = "", port: int = _SMTP
) -> Iterator[smtplib.SMTP]:
    """Connect to `server` (an address), on port 25, from the address of a stranger, greeted.

    Nothing is said yet but EHLO. Raises smtplib.SMTPException or OSError as the server acts.
    """
    host = world.stranger(number)
    source = host.ipv6 if ":" in server else host.ipv4
    with _client(lab.strangers, server, source, helo or "stranger.example", port=port) as client:
        client.ehlo()
        yield client


def sunk(lab: Lab) -> list[Mail]:
    """Return what the sink got, oldest first."""
    found = []
    for path in sorted((lab.directory / "sink").glob("[0-9]*")):
        envelope = json.loads((path / "envelope.json").read_bytes())
        found.append(
            Mail(
                sender=envelope["sender"],
                recipients=tuple(envelope["recipients"]),
                client=envelope["client"],
                port=envelope["port"],
                login=envelope["login"],
                is_encrypted=envelope["is_encrypted"],
                message=(path / "message").read_bytes(),
            )
        )
    return found


def sink_key(lab: Lab) -> str:
    """Return the SHA-256 of the sink's public key in hexadecimal, as TLSA 3 1 1 holds it."""
    return (lab.directory / "sink" / sink.SPKI).read_text(encoding="ascii").strip()


def arrived(lab: Lab) -> list[Mail]:
    """Return what the stock mail server has in its user's mailbox, oldest first."""
    user, _, _ = world.FRIEND.partition("@")
    return _mbox(lab.directory / "outside" / "mail" / user)


def wait_for(lab: Lab, message_id: str, *, timeout_seconds: float = 60) -> Mail:
    """Return the mail with that Message-ID, in the sink or the stock server, once it is there.

    Raises PostolkaError when it hasn't arrived in time.
    """
    wanted = message_id.encode("ascii")
    return wait_until(
        lab,
        lambda mail: wanted in mail.message.partition(b"\r\n\r\n")[0],
        what=message_id,
        timeout_seconds=timeout_seconds,
    )


def wait_until(
    lab: Lab, is_it: Callable[[Mail], bool], *, what: str, timeout_seconds: float = 60
) -> Mail:
    """Return the first mail that `is_it`, in the sink or the stock server, once it is there.

    Raises PostolkaError, which names `what` was waited for, when it hasn't arrived in time.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        for mail in (*sunk(lab), *arrived(lab)):
            if is_it(mail):
                return mail
        if time.monotonic() > deadline:
            problem = f"{what} has not arrived within {timeout_seconds:.0f} s"
            raise PostolkaError("the lab's outside", problem)
        time.sleep(_POLL_SECONDS)


class _Client(smtplib.SMTP):
    """An SMTP client whose connection starts in a namespace."""

    def __init__(self, where: int, source: str | None, helo: str) -> None:
        self._where = where
        self._source = source
        self._host = ""
        super().__init__(local_hostname=helo, timeout=_TIMEOUT_SECONDS)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        # starttls() asks for the certificate of this name.
        self._host = host
        return namespace.connect(
            self._where, host, port, source=self._source, timeout_seconds=timeout
        )


@contextlib.contextmanager
def _client(
    where: int, server: str, source: str | None, helo: str = "localhost", *, port: int = _SMTP
) -> Iterator[smtplib.SMTP]:
    with _Client(where, source, helo) as client:
        client.connect(server, port)
        yield client


def _options(message: bytes) -> tuple[str, ...]:
    return () if message.isascii() else ("BODY=8BITMIME",)


def _mbox(path: Path) -> list[Mail]:
    """Return the mails of an mbox file (RFC 4155), as local(8) writes it."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    found = []
    for block in (b"\n" + data).split(b"\n\nFrom ") if data else ():
        head, _, message = block.removeprefix(b"\nFrom ").partition(b"\n")
        body = message.rstrip(b"\n") + b"\n"
        lines = [line[1:] if line.startswith(b">From ") else line for line in body.split(b"\n")]
        found.append(
            Mail(
                sender=head.split(b" ")[0].decode("ascii", errors="replace"),
                recipients=(world.FRIEND,),
                client="",
                message=b"\r\n".join(lines),
            )
        )
    return found
