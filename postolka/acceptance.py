"""The checks that an image has to pass before anybody gets it: real mail, in and out, in the lab.

They see the server as the world does: a stock mail server and a stranger on port 25, and a mail
user on the forwarded client ports. Nothing here looks inside the machine.
"""

from __future__ import annotations

import json
import smtplib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import format_datetime, localtime, make_msgid
from typing import TYPE_CHECKING, Any, TypeVar

import dkim

from postolka import mailclient
from postolka.errors import PostolkaError
from postolka.lab import post, world

if TYPE_CHECKING:
    from pathlib import Path

    from postolka.lab.client import Lab
    from postolka.machines import Machine

#: An emulated machine that has just become ready reads the filter's rules at its first mail.
SECONDS = 180
_TEXT = "Příliš žluťoučký kůň úpěl ďábelské ódy.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A running server, the lab that it is in, and two of its mailboxes."""

    lab: Lab
    server: mailclient.Server
    address: str
    """Where the lab reaches it."""
    domain: str
    first: mailclient.Login
    second: mailclient.Login
    admin: mailclient.Login


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """The verdict on one DKIM-Signature of a mail (RFC 6376)."""

    algorithm: str
    selector: str
    domain: str
    is_valid: bool


def credentials(directory: Path) -> dict[str, Any]:
    """Return those that `postolka instance new` left."""
    found: dict[str, Any] = json.loads((directory / "credentials.json").read_text(encoding="utf-8"))
    return found


def reached(
    machine: Machine, lab: Lab, hostname: str, directory: Path
) -> tuple[mailclient.Server, str]:
    """Return how clients reach the server on `machine`, and its address in the lab.

    By the zone that `postolka instance new` left. Raises PostolkaError where the lab doesn't know
    the host.
    """
    addresses = _addresses(lab, hostname)
    if not addresses:
        raise PostolkaError(hostname, "has no address in the lab")
    zone = (directory / "zone").read_text(encoding="ascii")
    server = mailclient.Server(
        name=hostname, host=machine.host, ports=machine.ports, pins=_pins(zone)
    )
    return server, addresses[0].decode("ascii")


def subject(machine: Machine, lab: Lab, directory: Path) -> Subject:
    """Describe the server on `machine` by the files that `postolka instance new` left.

    Raises PostolkaError where they lack a second mailbox, or the lab doesn't know the host.
    """
    given = credentials(directory)
    logins = [
        mailclient.Login(address=account["address"], password=account["password"])
        for account in (*given["accounts"], given["admin"])
    ]
    if len(logins) < 3:  # noqa: PLR2004 - a sender, a reader, the admin
        problem = "the checks need two mailboxes"
        raise PostolkaError(str(directory), problem, hint="postolka instance new … --account")
    server, address = reached(machine, lab, given["hostname"], directory)
    return Subject(
        lab=lab,
        server=server,
        address=address,
        domain=logins[0].address.partition("@")[2],
        first=logins[0],
        second=logins[1],
        admin=logins[-1],
    )


def _addresses(lab: Lab, hostname: str) -> list[bytes]:
    """Ask the lab, again if need be: its resolver may be busy with a machine that came or went."""
    try:
        return lab.lookup(hostname, "A") or lab.lookup(hostname, "AAAA")
    except PostolkaError:
        return lab.lookup(hostname, "A") or lab.lookup(hostname, "AAAA")


def _pins(zone: str) -> frozenset[str]:
    """Return the key hashes of a zone's TLSA 3 1 1 records (RFC 6698)."""
    records = (line.split() for line in zone.splitlines() if " TLSA " in f" {line} ")
    return frozenset(words[-1].lower() for words in records if words[-4:-1] == ["3", "1", "1"])


def compose(sender: str, recipients: Sequence[str], subject_line: str) -> EmailMessage:
    """Return a new mail with a Message-ID of its own and a text that isn't ASCII."""
    message = EmailMessage(policy=policy.SMTP)
    message["From"] = sender
    message["To"] = ", ".join(recipients)
    message["Subject"] = subject_line
    message["Date"] = format_datetime(localtime())
    message["Message-ID"] = make_msgid(domain=sender.partition("@")[2])
    message.set_content(_TEXT)
    return message


def receive(subject: Subject) -> bytes:
    """Have the stock server outside send a mail to the first mailbox; return it as IMAP has it."""
    to = subject.first.address
    mail = compose(world.FRIEND, [to], "A mail from outside")
    post.send(subject.lab, world.FRIEND, [to], bytes(mail))
    mark = mail["Message-ID"]
    return mailclient.wait_for(subject.server, subject.first, mark, timeout_seconds=SECONDS)


def send(subject: Subject, *, port: int = 587) -> tuple[bytes, bytes]:
    """Submit one mail to the second mailbox and to the outside; return it as it arrived there."""
    to = [subject.second.address, world.FRIEND]
    mail = compose(subject.first.address, to, "A mail to outside")
    mailclient.submit(subject.server, subject.first, to, bytes(mail), port=port)
    starttls = 143 if 143 in subject.server.ports else 0  # noqa: PLR2004 - IMAP's port
    mark = mail["Message-ID"]
    inside = mailclient.wait_for(
        subject.server, subject.second, mark, timeout_seconds=SECONDS, port=starttls
    )
    return inside, post.wait_for(subject.lab, mark, timeout_seconds=SECONDS).message


def signatures(lab: Lab, message: bytes) -> list[Signature]:
    """Verify each DKIM-Signature of `message` against the lab's DNS."""
    verifier = dkim.DKIM(message, minkey=1024)
    found = []
    count = sum(name.lower() == b"dkim-signature" for name, _ in verifier.headers)
    for index in range(count):
        try:
            is_valid = bool(verifier.verify(idx=index, dnsfunc=lab.txt))
        except dkim.DKIMException:
            is_valid = False
        fields = verifier.signature_fields
        found.append(
            Signature(
                algorithm=fields[b"a"].decode("ascii"),
                selector=fields[b"s"].decode("ascii"),
                domain=fields[b"d"].decode("ascii"),
                is_valid=is_valid,
            )
        )
    return found


def proven(lab: Lab, message: bytes, domain: str) -> str:
    """Return who has signed a mail of the domain's. Raises PostolkaError for a signature amiss."""
    verdicts = signatures(lab, message)
    bad = [verdict for verdict in verdicts if not verdict.is_valid]
    if bad or not any(verdict.domain == domain for verdict in verdicts):
        raise PostolkaError("DKIM", f"the outgoing mail's signatures: {verdicts}")
    return ", ".join(f"{verdict.algorithm} ({verdict.selector})" for verdict in verdicts)


def _mail_comes_in(subject: Subject) -> str:
    message = receive(subject)
    text = message_from_bytes(message, policy=policy.default).get_content()
    if text.split() != _TEXT.split():
        raise PostolkaError("incoming mail", f"its text has changed: {text!r}")
    return f"{world.FRIEND} -> {subject.first.address}, read over IMAPS"


def _mail_goes_out(subject: Subject) -> str:
    _, outside = send(subject)
    shown = proven(subject.lab, outside, subject.domain)
    return f"{subject.first.address} -> {world.FRIEND}, DKIM verified: {shown}"


def _strangers_are_refused(subject: Subject) -> str:
    nobody = f"nobody-{time.time_ns()}@{subject.domain}"
    for recipient in (nobody, world.FRIEND):
        with post.stranger(subject.lab, subject.address) as client:
            client.mail(world.STRANGER)
            code, text = client.rcpt(recipient)
        if code not in {550, 554}:
            raise PostolkaError(recipient, f"a stranger's RCPT was answered with {code} {text!r}")
    with post.stranger(subject.lab, subject.address) as client:
        if client.has_extn("auth"):
            raise PostolkaError("port 25", "offers AUTH")
    return "no relay, no unknown recipient, no AUTH on 25"


def _logins_are_protected(subject: Subject) -> str:
    wrong = mailclient.Login(address=subject.first.address, password="wrong")  # noqa: S106 - it is
    try:
        mailclient.submit(subject.server, wrong, [world.FRIEND], b"\r\n")
    except smtplib.SMTPAuthenticationError:
        pass
    else:
        raise PostolkaError("submission", "takes a wrong password")
    address = (subject.server.host, subject.server.ports[587])
    with smtplib.SMTP(*address, timeout=60) as client:
        client.ehlo()
        if client.has_extn("auth"):
            raise PostolkaError("submission", "offers AUTH before STARTTLS")
    return "no wrong password, no login in clear text"


_S = TypeVar("_S")
#: The promise, and the function that returns what was seen.
Checks = Sequence[tuple[str, Callable[[_S], str]]]
#: What is checked, in this order.
CHECKS: Checks[Subject] = (
    ("a mail from outside arrives", _mail_comes_in),
    ("a submitted mail leaves, signed", _mail_goes_out),
    ("strangers are refused", _strangers_are_refused),
    ("logins are protected", _logins_are_protected),
)


def run(subject: Subject, report: Callable[[str, str], None]) -> None:
    """Make every check, as `make`."""
    make(CHECKS, subject, report)


def make(checks: Checks[_S], subject: _S, report: Callable[[str, str], None]) -> None:
    """Make every check and tell `report` the promise and what was seen.

    Raises PostolkaError, or what the mail client raised as PostolkaError, at the first that fails.
    """
    for promise, check in checks:
        try:
            seen = check(subject)
        except (OSError, smtplib.SMTPException) as error:
            raise PostolkaError(promise, f"{type(error).__name__}: {error}") from error
        report(promise, seen)
