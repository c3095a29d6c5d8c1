"""A mail user's client: submit with a login, read an inbox, check the key that the server shows.

Trust is by pinned key, as with DANE-EE (RFC 7671): a server that has no public certificate yet is
still known by the key whose TLSA record its operator publishes.
"""

from __future__ import annotations

import hashlib
import imaplib
import smtplib
import ssl
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from postolka.errors import PostolkaError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_POLL_SECONDS = 0.2
_TIMEOUT_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """How a client reaches the server: `ports` maps its port to the one to connect to."""

    name: str
    host: str
    ports: Mapping[int, int]
    pins: frozenset[str]
    """SHA-256 of each SubjectPublicKeyInfo that is accepted, in lower-case hexadecimal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A mailbox's address and password; the password stays out of logs."""

    address: str
    password: str

    def __repr__(self) -> str:
        """Mask the password."""
        return f"Login(address={self.address!r}, password=***)"


def submit(  # noqa: PLR0913 - each keyword is one property of a submission
    server: Server,
    login: Login,
    recipients: Sequence[str],
    message: bytes,
    *,
    port: int = 587,
    sender: str = "",
) -> None:
    """Submit `message` on 587 (STARTTLS) or 465 (implicit TLS), as the login's own address.

    `sender` is another envelope sender.

    Raises smtplib.SMTPException as the server answers, and PostolkaError for a foreign key.
    """
    address = (server.host, server.ports[port])
    if port == 465:  # noqa: PLR2004 - RFC 8314's port
        client: smtplib.SMTP = smtplib.SMTP_SSL(
            *address, timeout=_TIMEOUT_SECONDS, context=context()
        )
    else:
        client = smtplib.SMTP(*address, timeout=_TIMEOUT_SECONDS)
    with client:
        if port != 465:  # noqa: PLR2004
            client.starttls(context=context())
        check_pin(server, client.sock)
        client.login(login.address, login.password)
        client.sendmail(sender or login.address, recipients, message)


@contextmanager
def inbox(server: Server, login: Login, *, port: int = 0) -> Iterator[imaplib.IMAP4]:
    """Log in and open INBOX, on 993 (implicit TLS) or 143 (STARTTLS); 0: whichever there is.

    Raises imaplib.IMAP4.error as the server answers, and PostolkaError for a foreign key.
    """
    port = port or (993 if 993 in server.ports else 143)  # noqa: PLR2004 - RFC 8314's port
    address = (server.host, server.ports[port])
    if port == 993:  # noqa: PLR2004 - RFC 8314's port
        client: imaplib.IMAP4 = imaplib.IMAP4_SSL(
            *address, ssl_context=context(), timeout=_TIMEOUT_SECONDS
        )
    else:
        client = imaplib.IMAP4(*address, timeout=_TIMEOUT_SECONDS)
        client.starttls(context())
    try:
        check_pin(server, client.sock)
        client.login(login.address, login.password)
        client.select("INBOX")
        yield client
    finally:
        client.logout()


def read(
    server: Server, login: Login, message_id: str, *, port: int = 0, folder: str = "INBOX"
) -> bytes | None:
    """Return the message with that Message-ID (with its angle brackets) from `folder`, or None."""
    with inbox(server, login, port=port) as client:
        return _find(client, message_id, folder)


def _find(client: imaplib.IMAP4, message_id: str, folder: str) -> bytes | None:
    client.select(folder)
    _, found = client.search(None, "HEADER", "Message-ID", f'"{message_id}"')
    numbers = found[0].split()
    if not numbers:
        return None
    _, parts = client.fetch(numbers[-1].decode(), "(BODY.PEEK[])")
    part = parts[0]
    return part[1] if isinstance(part, tuple) else None


def wait_for(  # noqa: PLR0913 - each keyword is one property of a search
    server: Server,
    login: Login,
    message_id: str,
    *,
    timeout_seconds: float = 60,
    port: int = 0,
    folder: str = "INBOX",
) -> bytes:
    """Return the message with that Message-ID as soon as it is in `folder`.

    In one session, since a login costs a tenth of a second of a processor; another one where the
    server ends it. Raises PostolkaError when the message hasn't arrived in `timeout_seconds`.
    """
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        with suppress(imaplib.IMAP4.abort), inbox(server, login, port=port) as client:
            while time.monotonic() < deadline:
                if message := _find(client, message_id, folder):
                    return message
                time.sleep(_POLL_SECONDS)
        time.sleep(_POLL_SECONDS)
    problem = f"{message_id} has not arrived within {timeout_seconds:.0f} s"
    raise PostolkaError(login.address, problem)


def context() -> ssl.SSLContext:
    """Return what a connection begins TLS with: any certificate will do until `check_pin`."""
    # Not the default context, which reads every authority's certificate first.
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    found.minimum_version = ssl.TLSVersion.TLSv1_2
    # The pin decides, not a certification authority.
    found.check_hostname = False
    found.verify_mode = ssl.CERT_NONE
    return found


def check_pin(server: Server, sock: object) -> None:
    """Raise PostolkaError unless the other end of a connection showed one of the server's keys."""
    certificate = sock.getpeercert(binary_form=True) if isinstance(sock, ssl.SSLSocket) else None
    if certificate is None:
        raise PostolkaError(server.name, "the connection is not encrypted")
    key = x509.load_der_x509_certificate(certificate).public_key()
    digest = hashlib.sha256(
        key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).hexdigest()
    if digest not in server.pins:
        raise PostolkaError(server.name, f"shows a key that no TLSA record names: {digest}")
