"""Mail that tests send, the answers to it, and where it arrives."""

from __future__ import annotations

import smtplib
import time
from typing import TYPE_CHECKING

from postolka import acceptance, mailclient
from postolka.lab import post, world
from tests.container.conftest import ssh

if TYPE_CHECKING:
    from collections.abc import Callable
    from email.message import EmailMessage

    from postolka.acceptance import Subject
    from postolka.machines import Machine
    from postolka.mailclient import Login

#: Postfix looks for mail of the sendmail command once a minute (wakeup of pickup).
_BACK_SECONDS = 100
#: Each look-up takes twenty seconds while BIND hangs, and a mail needs some.
_PATIENCE_SECONDS = 240


def code_of(send: Callable[[], object]) -> int:
    """Send a mail; return the code that decided on it."""
    try:
        send()
    except smtplib.SMTPRecipientsRefused as refused:
        return next(iter(refused.recipients.values()))[0]
    except smtplib.SMTPResponseException as refused:
        return refused.smtp_code
    except smtplib.SMTPServerDisconnected:
        return 421
    return 250


def bring(
    subject: Subject, login: Login, message: bytes, *, number: int = 0, sender: str = world.STRANGER
) -> int:
    """Bring a mail from a stranger's address; return the code that decided on it."""

    def send() -> None:
        with post.stranger(subject.lab, subject.address, number=number) as client:
            assert client.sock
            client.sock.settimeout(_PATIENCE_SECONDS)
            client.sendmail(sender, [login.address], message)

    return code_of(send)


def submit(subject: Subject, login: Login, recipients: list[str], message: bytes) -> int:
    """Submit a mail; return the code that decided on it."""
    return code_of(lambda: mailclient.submit(subject.server, login, recipients, message))


def arrives(subject: Subject, login: Login, mail: EmailMessage) -> None:
    """Wait for a mail; it arrives once."""
    mark = mail["Message-ID"]
    mailclient.wait_for(subject.server, login, mark, timeout_seconds=_BACK_SECONDS)
    with mailclient.inbox(subject.server, login) as client:
        assert len(client.search(None, "HEADER", "Message-ID", f'"{mark}"')[1][0].split()) == 1


def settle(machine: Machine) -> None:
    """Have the queue tried until it is empty: Postfix waits for minutes once somebody was away."""
    deadline = time.monotonic() + _BACK_SECONDS
    while "is empty" not in ssh(machine, "sudo postqueue -f; sleep 2; sudo postqueue -p"):
        assert time.monotonic() < deadline


def leaves_signed(subject: Subject, mail: EmailMessage) -> None:
    """Wait for a mail outside; it bears both signatures, and they hold."""
    outside = post.wait_for(subject.lab, mail["Message-ID"], timeout_seconds=_BACK_SECONDS)
    found = acceptance.signatures(subject.lab, outside.message)
    assert {item.algorithm for item in found if item.is_valid} == {"rsa-sha256", "ed25519-sha256"}
