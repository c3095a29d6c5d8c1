"""Folders and filters: where a mail lands, what a user may have done with it, and who answers."""

from __future__ import annotations

import time
from email import message_from_bytes
from typing import TYPE_CHECKING, Any

import pytest

from postolka import mailclient
from postolka.acceptance import compose
from postolka.lab import post, world
from tests.container import managesieve
from tests.container.conftest import JOURNAL, ssh
from tests.container.managesieve import RefusedError, deliver, filtering

if TYPE_CHECKING:
    from email.message import EmailMessage

    from postolka.acceptance import Subject
    from postolka.machines import Machine
    from postolka.mailclient import Login

_WAIT_SECONDS = 120


def _mail(recipient: str, line: str = "A mail", **fields: str) -> EmailMessage:
    mail = compose(world.STRANGER, [recipient], line)
    for name, value in fields.items():
        mail[name.replace("_", "-")] = value
    return mail


def _where(subject: Subject, login: Login, mark: str) -> dict[str, str]:
    """Return the folders that have the mail with that Message-ID, each with the mail's flags."""
    found = {}
    with mailclient.inbox(subject.server, login) as client:
        for folder in _folders(client.list()[1]):
            client.select(f'"{folder}"', readonly=True)
            _, numbers = client.search(None, "HEADER", "Message-ID", f'"{mark}"')
            for number in numbers[0].split():
                _, parts = client.fetch(number.decode("ascii"), "(FLAGS)")
                assert isinstance(parts[0], bytes)
                found[folder] = parts[0].decode("ascii")
    return found


def _folders(lines: list[Any]) -> list[str]:
    return [line.decode("ascii").rpartition(' "/" ')[2].strip('"') for line in lines]


def _landed(machine: Machine, subject: Subject, to: str, mail: EmailMessage) -> dict[str, str]:
    """Deliver the mail and return where it is."""
    deliver(machine, to, bytes(mail))
    return _where(subject, subject.first, str(mail["Message-ID"]))


def _extended(login: Login, folder: str) -> str:
    local, _, domain = login.address.partition("@")
    return f"{local}+{folder}@{domain}"


@pytest.mark.parametrize("written", ["Parcels", "PARCELS", "parcels"])
def test_extended_address_lands_in_its_folder(
    subject: Subject, machine: Machine, alice: Login, written: str
) -> None:
    """user+folder, in whatever case, is one folder; a new one is made, and shown by clients."""
    first = _mail(_extended(alice, "Parcels"))
    assert set(_landed(machine, subject, _extended(alice, "Parcels"), first)) == {"Parcels"}
    mail = _mail(_extended(alice, written))
    with post.stranger(subject.lab, subject.address) as client:
        client.sendmail(world.STRANGER, [_extended(alice, written).upper()], bytes(mail))
    deadline = time.monotonic() + _WAIT_SECONDS
    while not (found := _where(subject, alice, str(mail["Message-ID"]))):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert set(found) == {"Parcels"}
    with mailclient.inbox(subject.server, alice) as client:
        assert "Parcels" in _folders(client.lsub()[1])


@pytest.mark.parametrize("written", ["spam", "Spam", "SPAM"])
def test_extended_address_finds_a_folder_that_is_there(
    subject: Subject, machine: Machine, alice: Login, written: str
) -> None:
    """user+spam is Spam, and as unread as any mail that nobody called spam."""
    mail = _mail(alice.address)
    found = _landed(machine, subject, _extended(alice, written), mail)
    assert set(found) == {"Spam"}
    assert "Seen" not in found["Spam"]


@pytest.mark.parametrize("written", ["a.b", "../../bob", "INBOX", "~root"])
def test_extended_address_leads_nowhere_else(
    subject: Subject, machine: Machine, alice: Login, written: str
) -> None:
    """What can't be a folder is no reason to lose a mail, nor a way into another mailbox."""
    mail = _mail(alice.address)
    found = _landed(machine, subject, _extended(alice, written), mail)
    assert set(found) <= {"INBOX", "~root"}
    assert len(found) == 1


@pytest.mark.parametrize("extension", ["", "+parcels"])
def test_spam_goes_to_spam_and_is_read(
    subject: Subject, machine: Machine, alice: Login, extension: str
) -> None:
    """What the filters marked is in Spam, before any filter of the user's, and not unread."""
    local, _, domain = alice.address.partition("@")
    mail = _mail(alice.address, X_Spam_Flag="YES")
    script = 'require "fileinto"; fileinto "Mine";'
    with filtering(subject, alice, script):
        found = _landed(machine, subject, f"{local}{extension}@{domain}", mail)
    assert set(found) == {"Spam"}
    assert "\\Seen" in found["Spam"]


def test_no_spam_stays_in_the_inbox(subject: Subject, machine: Machine, alice: Login) -> None:
    """Only YES is a verdict."""
    for value in ("NO", "", "YESTERDAY"):
        mail = _mail(alice.address, X_Spam_Flag=value)
        assert set(_landed(machine, subject, alice.address, mail)) == {"INBOX"}


def test_delivery_says_for_whom_and_from_whom(
    subject: Subject, machine: Machine, alice: Login
) -> None:
    """Return-Path and Delivered-To stand at the top, once each (RFC 5321, 4.4)."""
    mail = _mail(alice.address)
    deliver(machine, alice.address, bytes(mail))
    got = message_from_bytes(mailclient.wait_for(subject.server, alice, mail["Message-ID"]))
    assert got.get_all("Return-Path") == [f"<{world.STRANGER}>"]
    assert got.get_all("Delivered-To") == [alice.address]
    assert got.keys()[:2] == ["Return-Path", "Delivered-To"]


def test_users_filter_makes_a_folder(subject: Subject, machine: Machine, alice: Login) -> None:
    """Its fileinto makes and subscribes its folder, and comes before user+folder."""
    name = f"By filter {time.time_ns()}"
    mail = _mail(alice.address)
    with filtering(subject, alice, f'require "fileinto"; fileinto "{name}";'):
        found = _landed(machine, subject, _extended(alice, "parcels"), mail)
    assert set(found) == {name}
    with mailclient.inbox(subject.server, alice) as client:
        assert name in _folders(client.lsub()[1])


def test_special_folders_are_there(subject: Subject, bob: Login) -> None:
    """Each with its use, so that all clients take the same (RFC 6154), and subscribed."""
    uses = {"Archive", "Drafts", "Junk", "Sent", "Trash"}
    with mailclient.inbox(subject.server, bob) as client:
        answer: list[Any] = client.list()[1]
        subscribed = _folders(client.lsub()[1])
    lines = [line.decode("ascii") for line in answer]
    found = {use: line for use in uses for line in lines if f"\\{use}" in line.split('"')[0]}
    assert set(found) == uses
    names = {line.rpartition(' "/" ')[2].strip('"') for line in found.values()}
    assert names == {"Archive", "Drafts", "Spam", "Sent", "Trash"}
    assert names <= set(subscribed)


def test_no_login_in_clear_text_on_4190(subject: Subject, alice: Login) -> None:
    """No mechanism is offered before STARTTLS, and none is taken."""
    with managesieve.session(subject) as client:
        assert '"STARTTLS"' in client.capabilities
        assert '"SASL" ""' in client.capabilities
        with pytest.raises(RefusedError):
            client.log_in(alice)


@pytest.mark.parametrize("extension", ["reject", "ereject", "vnd.dovecot.pipe"])
def test_filter_may_not_do_everything(subject: Subject, alice: Login, extension: str) -> None:
    """No refusal after the mail was taken (RFC 3834's backscatter), no program of the server's."""
    with managesieve.session(subject, alice) as client:
        with pytest.raises(RefusedError, match=r"unknown|restricted"):
            client.put("test", f'require "{extension}";')
        assert extension not in client.capabilities.split('"SIEVE"')[1].splitlines()[0].split()


def test_filters_have_a_limit(subject: Subject, alice: Login) -> None:
    """Nobody fills the disk with filters."""
    with (
        managesieve.session(subject, alice) as client,
        pytest.raises(RefusedError, match="QUOTA"),
    ):
        client.put("test", "#" * (1 << 20) + "\r\nkeep;")


def _answered(subject: Subject, sender: str) -> bool:
    return any(sender in mail.recipients for mail in post.sunk(subject.lab))


def test_vacation_answers_people_only(subject: Subject, machine: Machine, alice: Login) -> None:
    """A person gets one answer, signed by this domain; spam, lists and machines get none."""
    mark = time.time_ns()
    silent = {
        "spam": {"X_Spam_Flag": "YES"},
        "list": {"List_Id": "<x.sink.example>"},
        "bulk": {"Precedence": "bulk"},
        "auto": {"Auto_Submitted": "auto-generated"},
    }
    script = 'require "vacation"; vacation :days 1 "I am away.";'
    with filtering(subject, alice, script):
        for name, fields in {**silent, "person": {}}.items():
            sender = f"{name}-{mark}@sink.example"
            mail = compose(sender, [alice.address], "Are you there?")
            for field, value in fields.items():
                mail[field.replace("_", "-")] = value
            deliver(machine, alice.address, bytes(mail), sender=sender)
        deadline = time.monotonic() + _WAIT_SECONDS
        while not _answered(subject, f"person-{mark}@sink.example"):
            assert time.monotonic() < deadline
            time.sleep(0.5)
    assert not [name for name in silent if _answered(subject, f"{name}-{mark}@sink.example")]
    (answer,) = [m for m in post.sunk(subject.lab) if f"person-{mark}@sink.example" in m.recipients]
    assert answer.sender == ""
    head = message_from_bytes(answer.message)
    assert head["Auto-Submitted"] == "auto-replied (vacation)"
    assert f"d={subject.domain};" in head["DKIM-Signature"]


def test_home_is_not_the_mail_store(machine: Machine, alice: Login) -> None:
    """A filter is no folder: what isn't mail lies beside the mail."""
    home = ssh(machine, f"sudo doveadm user -f home {alice.address}").strip()
    path = ssh(machine, f"sudo doveadm user -f mail_path {alice.address}").strip()
    assert home.startswith("/var/vmail/")
    assert path == f"{home}/Maildir"


def test_there_is_no_pop3(machine: Machine) -> None:
    """Neither port is open, not even for the machine itself, and the protocol isn't spoken."""
    assert ssh(machine, "ss -Hltn 'sport = :110 or sport = :995'") == ""
    assert "pop3" not in ssh(machine, "sudo doveconf -h protocols")
    assert "postmaster@" in ssh(machine, "sudo doveconf -h postmaster_address")


def test_nothing_is_said_of_uncompiled_filters(machine: Machine) -> None:
    """The server's own filters were compiled when it started: no mail says otherwise."""
    said = ssh(machine, f"{JOURNAL} -u dovecot.service")
    assert "svbin" not in said
    assert "pre-compiled" not in said
