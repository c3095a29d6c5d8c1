"""Mail programs of Debian's, run in the lab against the server as its users would run them.

Each runs in an unpacked root of its own, in the strangers' namespace, with the lab's resolver, and
with the certificate of the server as the only one that it trusts. `/work` inside is a directory of
the tests.
"""

from __future__ import annotations

import os
import pty
import subprocess
import termios
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from postolka.mailclient import Login
    from postolka.tools import Tools

_TIMEOUT_SECONDS = 120
_SECRET = 0o600
_ENVIRONMENT = ("LC_ALL=C.UTF-8", "PATH=/usr/bin", "TERM=xterm")
#: Where the client finds the certificate, and its own directory.
CERTIFICATE = "/etc/server.pem"
WORK = "/work"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """The programs and where they run."""

    tools: Tools
    where: Sequence[str]
    """The words that put a command into a network namespace."""
    files: Path
    """resolv.conf and server.pem."""
    work: Path

    def run(self, *argv: str, is_on_terminal: bool = False) -> str:
        """Run a program to its end and return what it said; fails as the program does."""
        binds = {
            "/etc/resolv.conf": self.files / "resolv.conf",
            CERTIFICATE: self.files / "server.pem",
        }
        command = [
            *self.where,
            *self.tools.argv(
                ["env", "-i", f"HOME={WORK}", *_ENVIRONMENT, *argv],
                binds=binds,
                writes={WORK: self.work},
                network=True,
            ),
        ]
        status, text = _on_terminal(command) if is_on_terminal else _piped(command)
        assert status == 0, f"{' '.join(argv)}: {text}"
        return text

    def write(self, name: str, text: str) -> str:
        """Write a file that its program alone may read; return its path inside."""
        path = self.work / name
        path.write_text(text)
        path.chmod(_SECRET)
        return f"{WORK}/{name}"


def _piped(command: list[str]) -> tuple[int, str]:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=_TIMEOUT_SECONDS,
    )
    return done.returncode, done.stdout


def _on_terminal(command: list[str]) -> tuple[int, str]:
    """Run a program that wants a screen, and show it one."""
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (24, 80))
    process = subprocess.Popen(command, stdin=its, stdout=its, stderr=its, start_new_session=True)
    os.close(its)
    seen: list[bytes] = []

    def read() -> None:
        try:
            while data := os.read(ours, 65536):
                seen.append(data)
        except OSError:
            return  # EIO: the last program that had the terminal has ended (pty(7))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        process.wait(_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()  # it waits for a key; what it shows says for which
    finally:
        status = process.wait()
        reader.join()
        os.close(ours)
    return status, b"".join(seen).decode(errors="replace")


def msmtp(host: str, login: Login, *, port: int) -> str:
    """Return the configuration of msmtp, for 465 or with STARTTLS."""
    starttls = "off" if port == 465 else "on"
    return f"""\
account default
host {host}
port {port}
tls on
tls_starttls {starttls}
tls_trust_file {CERTIFICATE}
auth plain
from {login.address}
user {login.address}
password {login.password}
"""


def mbsync(host: str, login: Login, *, port: int) -> str:
    """Return the configuration of mbsync: all folders, both ways."""
    kind = "STARTTLS" if port == 143 else "IMAPS"
    return f"""\
IMAPAccount server
Host {host}
Port {port}
User "{login.address}"
Pass "{login.password}"
TLSType {kind}
SystemCertificates no
CertificateFile {CERTIFICATE}

IMAPStore far
Account server

MaildirStore near
Path {WORK}/mail/
Inbox {WORK}/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
"""


def mutt(host: str, login: Login, keys: str) -> str:
    """Return the configuration of mutt; `keys` are typed once the inbox is open."""
    return f"""\
set imap_user="{login.address}"
set imap_pass="{login.password}"
set folder="imaps://{host}/"
set spoolfile="+INBOX"
set ssl_force_tls=yes
set certificate_file={CERTIFICATE}
set mbox_type=mbox
set confirmappend=no
set confirmcreate=no
set quit=yes
set wait_key=no
set delete=yes
push "{keys}"
"""
