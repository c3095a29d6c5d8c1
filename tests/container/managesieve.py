"""A ManageSieve client (RFC 5804), of as much as a test needs; and delivery past the filters."""

from __future__ import annotations

import base64
import contextlib
import re
import socket
import ssl
import subprocess
from typing import TYPE_CHECKING

from postolka.lab import world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postolka.acceptance import Subject
    from postolka.machines import Machine
    from postolka.mailclient import Login

_PORT = 4190
_TIMEOUT_SECONDS = 60
# $1 the sender, $2 the recipient; the mail on standard input.
_LMTP = """
import smtplib, sys
client = smtplib.LMTP("/var/spool/postfix/private/dovecot-lmtp")
client.ehlo("localhost")
client.sendmail(sys.argv[1], [sys.argv[2]], sys.stdin.buffer.read())
"""


class RefusedError(Exception):
    """The server said NO."""


class Session:
    """A connection to the server, in clear text at first."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port), timeout=_TIMEOUT_SECONDS)
        self._file = self._socket.makefile("rwb")
        self.capabilities = self._answer()

    def close(self) -> None:
        """Break the connection."""
        self._file.close()
        self._socket.close()

    def call(self, command: str) -> str:
        """Send a command and return the answer. Raises RefusedError for NO and BYE."""
        self._file.write(f"{command}\r\n".encode())
        self._file.flush()
        return self._answer()

    def start_tls(self) -> None:
        """Go on encrypted; the capabilities are told anew."""
        self.call("STARTTLS")
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self._socket = context.wrap_socket(self._socket)
        self._file = self._socket.makefile("rwb")
        self.capabilities = self._answer()

    def log_in(self, login: Login) -> None:
        """Authenticate by PLAIN."""
        secret = base64.b64encode(f"\0{login.address}\0{login.password}".encode()).decode("ascii")
        self.call(f'AUTHENTICATE "PLAIN" "{secret}"')

    def put(self, name: str, script: str) -> None:
        """Upload a script and make it the active one."""
        self.call(f'PUTSCRIPT "{name}" {{{len(script.encode())}+}}\r\n{script}')
        self.call(f'SETACTIVE "{name}"')

    def _answer(self) -> str:
        lines = []
        while True:
            line = self._file.readline().decode()
            assert line, "the server broke the connection"
            # The text of a refusal may be a literal.
            if literal := re.search(r"\{(\d+)\}\r\n$", line):
                line += self._file.read(int(literal[1])).decode()
                line += self._file.readline().decode()
            lines.append(line)
            if re.match(r"(OK|NO|BYE)\b", line):
                break
        text = "".join(lines)
        if not lines[-1].startswith("OK"):
            raise RefusedError(text)
        return text


@contextlib.contextmanager
def session(subject: Subject, login: Login | None = None) -> Iterator[Session]:
    """Connect as a mail client does; with a login also encrypt, and log in."""
    client = Session(subject.server.host, subject.server.ports[_PORT])
    try:
        if login:
            client.start_tls()
            client.log_in(login)
        yield client
    finally:
        client.close()


@contextlib.contextmanager
def filtering(subject: Subject, login: Login, script: str) -> Iterator[None]:
    """Have `script` be the login's active filter for a while."""
    with session(subject, login) as client:
        client.put("test", script)
        try:
            yield
        finally:
            client.call('SETACTIVE ""')
            client.call('DELETESCRIPT "test"')


def deliver(
    machine: Machine, recipient: str, message: bytes, *, sender: str = world.STRANGER
) -> None:
    """Give a mail to Dovecot as Postfix does, whatever filters are before it."""
    command = f"sudo python3 -c '{_LMTP}' '{sender}' '{recipient}'"
    subprocess.run([*machine.ssh(), command], input=message, check=True, timeout=_TIMEOUT_SECONDS)
