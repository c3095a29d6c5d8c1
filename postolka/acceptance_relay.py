"""The checks that an image without mailboxes has to pass: mail goes on, and out, and nowhere else.

The lab's sink is the server behind it (example.without_mailboxes). As in `postolka.acceptance`
nothing here looks inside the machine.
"""

from __future__ import annotations

import smtplib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from postolka import acceptance, mailclient
from postolka.errors import PostolkaError
from postolka.lab import post, sink, world

if TYPE_CHECKING:
    from collections.abc import Callable
    from email.message import EmailMessage
    from pathlib import Path

    from postolka.acceptance import Checks
    from postolka.lab.client import Lab
    from postolka.lab.post import Mail
    from postolka.machines import Machine

#: Until the server behind has said who has a mailbox a client is put off (450).
_UNKNOWN, _NOT_YET = 550, 450
_REFUSED = 554


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """A running server without mailboxes, and the lab that it is in."""

    lab: Lab
    server: mailclient.Server
    address: str
    """Where the lab reaches it."""
    domain: str


def subject(machine: Machine, lab: Lab, directory: Path) -> Relay:
    """Describe the server on `machine` by the files that `postolka instance new` left."""
    given = acceptance.credentials(directory)
    server, address = acceptance.reached(machine, lab, given["hostname"], directory)
    domain = given["admin"]["address"].partition("@")[2]
    return Relay(lab=lab, server=server, address=address, domain=domain)


def receive(subject: Relay) -> Mail:
    """Have the stock server outside send a mail to the domain; return it as it came to the sink."""
    to = f"somebody@{subject.domain}"
    mail = acceptance.compose(world.FRIEND, [to], "A mail that goes on")
    post.send(subject.lab, world.FRIEND, [to], bytes(mail))
    return post.wait_for(subject.lab, mail["Message-ID"], timeout_seconds=acceptance.SECONDS)


def send(subject: Relay) -> Mail:
    """Have the server behind send a mail of the domain's; return it as it arrived outside."""
    sender = f"somebody@{subject.domain}"
    mail = acceptance.compose(sender, [world.FRIEND], "A mail from inside")
    return submit(subject, sender, mail)


def submit(subject: Relay, sender: str, mail: EmailMessage) -> Mail:
    """Have the server behind send a mail to the outside, by TLS; return it as it arrived there."""
    with post.inside(subject.lab, subject.address) as client:
        client.starttls(context=mailclient.context())
        mailclient.check_pin(subject.server, client.sock)
        client.sendmail(sender, [world.FRIEND], bytes(mail))
    return post.wait_for(subject.lab, mail["Message-ID"], timeout_seconds=acceptance.SECONDS)


def refusal(subject: Relay, recipient: str) -> tuple[int, str]:
    """Return how a stranger's recipient is refused for good; another client may have to wait."""
    deadline = time.monotonic() + acceptance.SECONDS
    while True:
        with post.stranger(subject.lab, subject.address) as client:
            client.mail(world.STRANGER)
            code, text = client.rcpt(recipient)
        if code != _NOT_YET or time.monotonic() > deadline:
            return code, text.decode("ascii", errors="replace")
        time.sleep(1)


def _mail_goes_on(subject: Relay) -> str:
    mail = receive(subject)
    if not mail.is_encrypted or b"\r\nX-Spam-Score: " not in mail.message:
        raise PostolkaError("incoming mail", "came on in clear text, or unfiltered")
    return f"{world.FRIEND} -> {mail.recipients[0]}, filtered, by TLS"


def _mail_goes_out(subject: Relay) -> str:
    shown = acceptance.proven(subject.lab, send(subject).message, subject.domain)
    return f"somebody@{subject.domain} -> {world.FRIEND}, DKIM verified: {shown}"


def _strangers_are_refused(subject: Relay) -> str:
    nobody = f"{sink.UNKNOWN}{time.time_ns()}@{subject.domain}"
    for recipient, expected in ((nobody, _UNKNOWN), (world.FRIEND, _REFUSED)):
        code, text = refusal(subject, recipient)
        if code != expected:
            raise PostolkaError(recipient, f"a stranger's RCPT was answered with {code} {text!r}")
    return "no relay, no recipient that the server behind doesn't know"


def _strangers_send_nothing(subject: Relay) -> str:
    with post.stranger(subject.lab, subject.address, port=sink.SUBMISSION) as client:
        client.starttls(context=mailclient.context())
        client.ehlo()
        if client.has_extn("auth"):
            raise PostolkaError("submission", "offers AUTH, which nobody can answer")
        client.mail(f"somebody@{subject.domain}")
        code, text = client.rcpt(world.FRIEND)
    if code != _REFUSED:
        raise PostolkaError("submission", f"takes a stranger's recipient: {code} {text!r}")
    try:
        with post.inside(subject.lab, subject.address) as client:
            client.sendmail(f"somebody@{subject.domain}", [world.FRIEND], b"\r\n")
    except smtplib.SMTPException:
        return "no submission by others, and none in clear text"
    raise PostolkaError("submission", "takes mail in clear text")


def run(subject: Relay, report: Callable[[str, str], None]) -> None:
    """Make every check, as `postolka.acceptance.make`."""
    acceptance.make(CHECKS, subject, report)


#: What is checked, in this order.
CHECKS: Checks[Relay] = (
    ("a mail from outside goes on, filtered", _mail_goes_on),
    ("a mail from inside leaves, signed", _mail_goes_out),
    ("strangers are refused", _strangers_are_refused),
    ("only the servers named may send", _strangers_send_nothing),
)
