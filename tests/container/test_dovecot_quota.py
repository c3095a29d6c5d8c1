"""Quotas: who sends too much is told at once, and every count of a mailbox says the same."""
# ruff: noqa: S608 - a test's own statements

from __future__ import annotations

import re
import smtplib
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from postolka import mailclient
from postolka.acceptance import compose
from postolka.lab import post, world
from tests.container.conftest import sql, ssh
from tests.container.managesieve import deliver

if TYPE_CHECKING:
    import imaplib
    from collections.abc import Iterator

    from postolka.acceptance import Subject
    from postolka.machines import Machine
    from postolka.mailclient import Login

_KIB = 1024
_LIMIT_KIB = 1024
#: Dovecot writes `quota2` ten seconds after a change in a mailbox that is open.
_WRITTEN_SECONDS = 120


@contextmanager
def _limited(machine: Machine, login: Login) -> Iterator[None]:
    """Empty the mailbox and let it hold one MiB, for a while."""
    ssh(machine, f"sudo doveadm expunge -u {login.address} mailbox '*' all")
    before = sql(machine, f"SELECT quota FROM mailbox WHERE username='{login.address}'").strip()
    limit = f"UPDATE mailbox SET quota={{}} WHERE username='{login.address}'"
    sql(machine, limit.format(_LIMIT_KIB * _KIB))
    try:
        yield
    finally:
        sql(machine, limit.format(before))
        ssh(machine, f"sudo doveadm expunge -u {login.address} mailbox '*' all")


@pytest.fixture
def limited(machine: Machine, bob: Login) -> Iterator[Login]:
    """Return a login whose mailbox is empty and holds one MiB."""
    with _limited(machine, bob):
        yield bob


@contextmanager
def _aliases(machine: Machine, domain: str, aliases: dict[str, str]) -> Iterator[None]:
    for name, goto in aliases.items():
        values = f"'{name}@{domain}', '{goto}', '{domain}'"
        sql(machine, f"INSERT INTO alias (address, goto, domain) VALUES ({values})")
    try:
        yield
    finally:
        for name in aliases:
            sql(machine, f"DELETE FROM alias WHERE address='{name}@{domain}'")


def _message(kib: int) -> bytes:
    mail = compose(world.STRANGER, ["x@example.test"], f"{kib} KiB")
    mail.set_content("\n".join("x" * 63 for _ in range(kib * 16)))
    return bytes(mail)


def _rcpt(subject: Subject, recipient: str, size_kib: int = 0) -> tuple[int, bytes]:
    """Return what port 25 says to a recipient, of a mail of that size; 0: it isn't told."""
    options = [f"SIZE={size_kib * _KIB}"] if size_kib else []
    with post.stranger(subject.lab, subject.address) as client:
        client.mail(world.STRANGER, options)
        return client.rcpt(recipient)


def test_too_much_is_refused_at_rcpt(subject: Subject, machine: Machine, limited: Login) -> None:
    """A tenth more than the limit fits; what is more is refused with the client still there."""
    assert _rcpt(subject, limited.address, 1100)[0] == 250
    code, text = _rcpt(subject, limited.address, 1150)
    assert (code, text[:5]) == (552, b"5.2.2")
    deliver(machine, limited.address, _message(700))
    assert _rcpt(subject, limited.address, 350)[0] == 250
    code, text = _rcpt(subject, limited.address, 450)
    assert (code, text[:5]) == (552, b"5.2.2")
    # Another's mailbox is another matter.
    assert _rcpt(subject, subject.first.address, 450)[0] == 250


def test_submission_tells_it_too(subject: Subject, machine: Machine, limited: Login) -> None:
    """A user of the server sees it in the mail client, not in a bounce."""
    deliver(machine, limited.address, _message(1100))
    to = [limited.address]
    mail = compose(subject.first.address, to, "Too much")
    mail.set_content("\n".join("x" * 63 for _ in range(100 * 16)))
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        mailclient.submit(subject.server, subject.first, to, bytes(mail))
    assert refused.value.recipients[limited.address][0] == 552


@pytest.mark.parametrize("name", ["one", "nested", "all", "bob+folder"])
def test_alias_of_a_full_mailbox_is_refused_at_rcpt(
    subject: Subject, machine: Machine, limited: Login, name: str
) -> None:
    """Through any number of aliases; of several mailboxes one with room is enough."""
    domain = subject.domain
    aliases = {
        "one": limited.address,
        "nested": f"one@{domain}",
        "all": f"{limited.address},nested@{domain}",
        "some": f"{limited.address},{subject.first.address}",
    }
    with _aliases(machine, domain, aliases):
        recipient = f"{name}@{domain}"
        assert _rcpt(subject, recipient, 600)[0] == 250
        deliver(machine, limited.address, _message(600))
        assert _rcpt(subject, recipient, 600)[0] == 552
        assert _rcpt(subject, f"some@{domain}", 600)[0] == 250


def test_mail_of_unsaid_size_is_never_bounced(
    subject: Subject, machine: Machine, limited: Login
) -> None:
    """Who was told 250 gets it, however large it turns out; the next mail is refused."""
    deliver(machine, limited.address, _message(900))
    to = [limited.address, subject.first.address]
    mail = compose(world.STRANGER, to, "Of unsaid size")
    mail.set_content("\n".join("x" * 63 for _ in range(1500 * 16)))
    with post.stranger(subject.lab, subject.address) as client:
        client.mail(world.STRANGER)
        assert [client.rcpt(recipient)[0] for recipient in to] == [250, 250]
        assert client.data(bytes(mail))[0] == 250
    for login in (limited, subject.first):
        assert mailclient.wait_for(subject.server, login, mail["Message-ID"])
    with post.stranger(subject.lab, subject.address) as client:
        client.mail(world.STRANGER)
        assert [client.rcpt(recipient)[0] for recipient in to] == [552, 250]


def test_client_may_not_store_too_much(subject: Subject, limited: Login) -> None:
    """APPEND has no tenth more: the limit is what the client shows."""
    with mailclient.inbox(subject.server, limited) as client:
        assert client.append("INBOX", "", "", _message(900))[0] == "OK"
        kind, answer = client.append("INBOX", "", "", _message(200))
        assert kind == "NO"
        assert b"OVERQUOTA" in answer[0]


def _held(client: imaplib.IMAP4) -> tuple[int, int]:
    """Return the KiB and the limit that the client shows (RFC 9208)."""
    _, (_, quotas) = client.getquotaroot("INBOX")
    found = re.search(rb"STORAGE (\d+) (\d+)", quotas[0])
    assert found
    return int(found[1]), int(found[2])


def _row(machine: Machine, login: Login) -> tuple[int, int]:
    """Return the bytes and messages that PostfixAdmin shows."""
    text = sql(machine, f"SELECT bytes, messages FROM quota2 WHERE username='{login.address}'")
    held, messages = text.split()
    return int(held), int(messages)


def _await_row(machine: Machine, login: Login, messages: int, kib: int) -> None:
    deadline = time.monotonic() + _WRITTEN_SECONDS
    # The client is shown begun KiB.
    while (row := _row(machine, login)) and (-(-row[0] // _KIB), row[1]) != (kib, messages):
        assert time.monotonic() < deadline, (row, kib, messages)
        time.sleep(1)


def test_every_count_says_the_same(subject: Subject, machine: Machine, limited: Login) -> None:
    """GETQUOTA and `quota2`, after a delivery, an APPEND, a COPY and an EXPUNGE."""
    deliver(machine, limited.address, _message(100))
    with mailclient.inbox(subject.server, limited) as client:
        client.append("Sent", "", "", _message(50))
        client.copy("1", "Archive")
        held, limit = _held(client)
        assert limit == _LIMIT_KIB
        assert held >= 250
        _await_row(machine, limited, 3, held)
        client.store("1", "+FLAGS", "\\Deleted")
        client.expunge()
        left, _ = _held(client)
        assert left < held
        _await_row(machine, limited, 2, left)


def test_counting_again_puts_right_what_is_wrong(
    subject: Subject, machine: Machine, limited: Login
) -> None:
    """`postolka-quota` writes both counts; a wrong one doesn't last."""
    deliver(machine, limited.address, _message(100))
    right = _row(machine, limited)
    wrong = "UPDATE quota2 SET bytes=1, messages=999"
    sql(machine, f"{wrong} WHERE username='{limited.address}'")
    ssh(machine, f"sudo postolka-quota {limited.address}")
    assert _row(machine, limited) == right
    assert subject.first.address in ssh(machine, "sudo postolka-quota")
