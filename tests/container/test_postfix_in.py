"""Postfix on port 25 and in submission: what a client may do, and what no trick gets it."""

from __future__ import annotations

import re
import smtplib
import time
from email import message_from_bytes, policy
from typing import TYPE_CHECKING

import pytest

from postolka import acceptance, mailclient
from postolka.acceptance import compose
from postolka.lab import post, world
from tests.container.conftest import JOURNAL, ssh

if TYPE_CHECKING:
    from postolka.acceptance import Subject
    from postolka.machines import Machine
    from postolka.mailclient import Login

#: What a server that is too kind takes for the end of a mail (SMTP smuggling).
_ENDS = {
    "LF.LF": b"\n.\n",
    "LF.CRLF": b"\n.\r\n",
    "CRLF.LF": b"\r\n.\n",
    "CR.CR": b"\r.\r",
    "CR.CRLF": b"\r.\r\n",
    "CRLF.CR": b"\r\n.\r",
    "CR.LF": b"\r.\n",
    "CRLF.NUL": b"\r\n.\0\r\n",
}


@pytest.mark.parametrize("end", _ENDS.values(), ids=_ENDS.keys())
def test_smuggled_mail_is_text_of_the_first(subject: Subject, alice: Login, end: bytes) -> None:
    """Only CRLF.CRLF ends a mail: what looks like a second one never becomes one."""
    mail = compose(world.STRANGER, [alice.address], "Smuggler")
    inner = f"<{time.time_ns()}@smuggled.example>"
    outer = str(mail["Message-ID"])
    envelope = f"MAIL FROM:<boss@{subject.domain}>\r\nRCPT TO:<{alice.address}>\r\nDATA\r\n"
    smuggled = f"Message-ID: {inner}\r\nSubject: Smuggled\r\n\r\nBoo\r\n"
    raw = bytes(mail) + b"text" + end + (envelope + smuggled).encode("ascii")
    with post.stranger(subject.lab, subject.address) as client:
        client.mail(world.STRANGER)
        client.rcpt(alice.address)
        assert client.docmd("DATA")[0] == 354
        client.send(raw + b"\r\n.\r\n")
        assert client.getreply()[0] == 250
        # One mail, one answer.
        assert client.noop()[0] == 250
    got = mailclient.wait_for(subject.server, alice, outer)
    assert b"Subject: Smuggled" in got.partition(b"\r\n\r\n")[2]
    assert mailclient.read(subject.server, alice, inner) is None


def test_client_that_talks_on_is_refused(subject: Subject, alice: Login) -> None:
    """A body right behind DATA, before the server has said 354: a spam program's habit."""
    with post.stranger(subject.lab, subject.address) as client:
        client.mail(world.STRANGER)
        client.rcpt(alice.address)
        client.send(b"DATA\r\nSubject: Impatient\r\n\r\nx\r\n.\r\n")
        assert client.getreply()[0] // 100 == 5


def test_sender_in_another_of_ones_aliases(subject: Subject, machine: Machine) -> None:
    """Who gets an alias's mail may send as the alias, also with an extension of the own address."""
    admin = subject.admin
    for sender in (f"abuse@{subject.domain}", admin.address):
        mail = compose(sender, [subject.second.address], "By alias")
        to = [subject.second.address]
        mailclient.submit(subject.server, admin, to, bytes(mail), sender=sender)
        assert mailclient.wait_for(subject.server, subject.second, mail["Message-ID"])
    mail = compose(f"abuse@{subject.domain}", [subject.second.address], "Not mine")
    with pytest.raises(smtplib.SMTPException) as refused:
        mailclient.submit(
            subject.server,
            subject.first,
            [subject.second.address],
            bytes(mail),
            sender=f"abuse@{subject.domain}",
        )
    assert "553" in str(refused.value)
    assert f"abuse@{subject.domain}" in ssh(machine, f"{JOURNAL} -t postfix/submission/smtpd")


def test_nothing_tells_where_the_user_sits(subject: Subject) -> None:
    """On 587 and 465 the header that leaves begins with this server, as Received says too."""
    for port in (587, 465):
        _, outside = acceptance.send(subject, port=port)
        fields = message_from_bytes(outside, policy=policy.default).get_all("Received") or []
        first = str(fields[-1])
        assert subject.server.name in first
        assert not re.search(r"\[[0-9a-fA-F.:]+\]", first), first
        assert subject.first.address not in first


@pytest.mark.parametrize(
    ("port", "name"), [(587, "postfix/submission/smtpd"), (465, "postfix/submissions/smtpd")]
)
def test_each_service_has_its_name_in_the_log(
    subject: Subject, machine: Machine, port: int, name: str
) -> None:
    """The log says by which port a mail came, and with which login."""
    mail = compose(subject.first.address, [subject.second.address], "Logged")
    to = [subject.second.address]
    mailclient.submit(subject.server, subject.first, to, bytes(mail), port=port)
    text = ssh(machine, f"{JOURNAL} -t {name} --since=-2min")
    assert f"sasl_username={subject.first.address}" in text
