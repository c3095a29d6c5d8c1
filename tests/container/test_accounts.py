"""Mailboxes and aliases by the machine's own command: what it says is so, at once."""
# ruff: noqa: S608 - a test's own statements

from __future__ import annotations

import imaplib
import json
import smtplib
import time
from typing import TYPE_CHECKING

import bcrypt
import pytest

from postolka import mailclient
from postolka.acceptance import compose
from postolka.lab import post, world
from postolka.mailclient import Login
from tests.container.conftest import sql, ssh
from tests.container.sending import arrives, bring

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postolka.acceptance import Subject
    from postolka.machines import Machine

_COMMAND = "sudo postolka-instance"


def _refused(machine: Machine, arguments: str) -> str:
    """Return what it says; its exit code is 1."""
    text, code = ssh(machine, f"{_COMMAND} {arguments} 2>&1; echo $?").strip().rsplit("\n", 1)
    assert code == "1", text
    return text


def _new(machine: Machine, address: str) -> Login:
    made = json.loads(ssh(machine, f"{_COMMAND} user add --json {address} 2>/dev/null"))
    return Login(address=made["address"], password=made["password"])


def _may_log_in(subject: Subject, login: Login) -> bool:
    try:
        with mailclient.inbox(subject.server, login):
            return True
    except imaplib.IMAP4.error:
        return False


def _is_known(subject: Subject, address: str) -> bool:
    with post.stranger(subject.lab, subject.address) as client:
        client.mail(world.STRANGER)
        code = client.rcpt(address)[0]
    assert code in (250, 550), code
    return code == 250


@pytest.fixture(scope="module")
def carol(subject: Subject, machine: Machine) -> Iterator[Login]:
    """Return a user that was made on the machine; gone at the end."""
    login = _new(machine, f"carol@{subject.domain}")
    yield login
    ssh(machine, f"{_COMMAND} user del {login.address} || true")


def test_new_mailbox_sends_and_receives(subject: Subject, carol: Login) -> None:
    """By the address and the password that were said, without anything else."""
    mail = compose(world.STRANGER, [carol.address], "Welcome")
    assert bring(subject, carol, bytes(mail)) == 250
    arrives(subject, carol, mail)
    sent = compose(carol.address, [carol.address], "To myself")
    mailclient.submit(subject.server, carol, [carol.address], bytes(sent))
    arrives(subject, carol, sent)


def test_it_says_what_a_mail_client_asks_for(subject: Subject, machine: Machine) -> None:
    """Server, user, password, and each port with its protocol and security."""
    address = f"dan@{subject.domain}"
    words = ssh(machine, f"{_COMMAND} user add --quota 10 --name 'Dan Ž' {address}").split()
    assert {address, subject.server.name, "IMAP", "SMTP", "ManageSieve"} <= set(words)
    assert {"993,", "465,", "SSL/TLS", "143,", "587,", "STARTTLS"} <= set(words)
    login = Login(address=address, password=words[words.index("password") + 1])
    assert _may_log_in(subject, login)
    listed = json.loads(ssh(machine, f"{_COMMAND} user list --json"))
    (mine,) = (item for item in listed if item["address"] == address)
    assert mine == {
        "address": address,
        "name": "Dan Ž",
        "quota_mib": 10,
        "used_mib": 0,
        "active": True,
    }
    # PostfixAdmin shows who did what.
    log = sql(machine, f"SELECT username, action FROM log WHERE data = '{address}'")
    assert log.split("\t") == ["admin (postolka-instance)", "create_mailbox\n"]


def test_what_can_not_be_is_refused(subject: Subject, machine: Machine, carol: Login) -> None:
    """With the reason, and nothing is changed."""
    before = ssh(machine, f"{_COMMAND} user list --json; {_COMMAND} alias list --json")
    domain = subject.domain
    for arguments, words in (
        (f"user add {carol.address}", "is a mailbox already"),
        (f"user add postmaster@{domain}", "is an alias of "),
        ("user add x@elsewhere.example", f"isn't a domain of this server ({domain})"),
        (f'user add "x\' OR 1=1@{domain}"', "is not a local part"),
        (f"user add --quota=-1 x@{domain}", "is below 0 MiB"),
        (f"user add --stdin x@{domain} </dev/null", "has fewer than 8 characters"),
        (f"user passwd nobody@{domain}", "is not a mailbox"),
        (f"user disable nobody@{domain}", "is not a mailbox"),
        (f"user del nobody@{domain}", "is not a mailbox"),
        (f"user del {subject.admin.address}", "is the admin's"),
        (f"alias add sales@{domain} 'a b@c.example'", "is not a mail address"),
        (f"alias add sales@elsewhere.example {carol.address}", "isn't a domain of this server"),
        (f"alias del nobody@{domain}", "is not an alias"),
        (f"alias del {carol.address}", "is a mailbox, and would lead nowhere"),
        (f"alias del postmaster@{domain} x@y.example", "doesn't lead to x@y.example"),
    ):
        assert words in _refused(machine, arguments), arguments
    assert before == ssh(machine, f"{_COMMAND} user list --json; {_COMMAND} alias list --json")
    assert "only root may" in ssh(machine, "postolka-instance user list 2>&1 || true")


def test_new_password_ends_the_old_ones_sessions(subject: Subject, machine: Machine) -> None:
    """Who has read along reads no further."""
    old = _new(machine, f"eve@{subject.domain}")
    new = Login(address=old.address, password=f'{time.time_ns()} "$x\\`%u')
    with mailclient.inbox(subject.server, old) as client:
        ssh(machine, f"{_COMMAND} user passwd --stdin {new.address} <<'END'\n{new.password}\nEND")
        time.sleep(1)
        with pytest.raises(imaplib.IMAP4.abort):
            client.noop()
    assert not _may_log_in(subject, old)
    mail = compose(old.address, [old.address], "By the old password")
    with pytest.raises(smtplib.SMTPAuthenticationError):
        mailclient.submit(subject.server, old, [old.address], bytes(mail))
    assert _may_log_in(subject, new)


def test_lost_admin_password_is_replaced(subject: Subject, machine: Machine) -> None:
    """For PostfixAdmin, where the row is made again if it is gone, and for the mailbox."""
    admin = subject.admin
    sql(machine, "DELETE FROM admin; DELETE FROM domain_admins")
    said = ssh(machine, f"{_COMMAND} admin passwd")
    assert said.startswith(f"{admin.address}: changed, for PostfixAdmin and the mailbox\n")
    new = Login(address=admin.address, password=said.split()[-1])
    assert not _may_log_in(subject, admin)
    assert _may_log_in(subject, new)
    for password in (new.password, admin.password):
        # The tests' other users of the mailbox know the first one.
        ssh(machine, f"{_COMMAND} admin passwd --stdin <<'END'\n{password}\nEND")
        columns = "password, superadmin, admin.active, domain"
        tables = "admin JOIN domain_admins USING (username)"
        found = sql(machine, f"SELECT {columns} FROM {tables} WHERE username = '{admin.address}'")
        hash_, *rest = found.split()
        assert rest == ["1", "1", "ALL"]
        assert bcrypt.checkpw(password.encode(), hash_.encode())
    assert _may_log_in(subject, admin)


def test_disabled_mailbox_keeps_what_it_has(subject: Subject, machine: Machine) -> None:
    """No login and no mail, until it is enabled."""
    login = _new(machine, f"frank@{subject.domain}")
    mail = compose(world.STRANGER, [login.address], "Before")
    assert bring(subject, login, bytes(mail)) == 250
    arrives(subject, login, mail)
    ssh(machine, f"{_COMMAND} user disable {login.address}")
    assert not _may_log_in(subject, login)
    assert not _is_known(subject, login.address)
    assert f"{login.address}  0 of 1024 MiB  disabled" in ssh(machine, f"{_COMMAND} user list")
    ssh(machine, f"{_COMMAND} user enable {login.address}")
    assert _is_known(subject, login.address)
    arrives(subject, login, mail)


def test_next_owner_of_an_address_finds_no_old_mail(subject: Subject, machine: Machine) -> None:
    """However the mailbox went: by the command, or by whoever deletes its row only."""
    first = _new(machine, f"grace@{subject.domain}")
    mail = compose(world.STRANGER, [first.address], "For the first owner")
    for owner in (first, None):
        login = owner or _new(machine, first.address)
        assert bring(subject, login, bytes(mail)) == 250
        arrives(subject, login, mail)
        if owner:
            said = ssh(machine, f"{_COMMAND} user del {login.address}")
        else:
            sql(machine, f"DELETE FROM mailbox WHERE username='{login.address}'")
            sql(machine, f"DELETE FROM alias WHERE address='{login.address}'")
        assert not _is_known(subject, login.address)
        assert not _may_log_in(subject, login)
    aside = said.split()[-1]
    assert mail["Message-ID"] in ssh(machine, f"sudo grep -rh ^Message-ID: {aside}")
    last = _new(machine, first.address)
    with mailclient.inbox(subject.server, last) as client:
        assert client.select("INBOX")[1] == [b"0"]


def test_deleted_mail_has_its_days(machine: Machine) -> None:
    """Counted from its deletion, however old a mail in it is (dovecot_deleted_days)."""
    places = {days: f"/var/vmail/.deleted/of-{days}-days" for days in (29, 32)}
    for days, place in places.items():
        ssh(
            machine,
            f"sudo install -d -o vmail -g vmail {place}; sudo touch -d 1999-12-31 {place}/m",
        )
        ssh(machine, f"sudo touch -d '{days} days ago' {place}")
    ssh(machine, "sudo systemctl start postolka-deleted-mail.service")
    left = ssh(machine, "sudo ls /var/vmail/.deleted")
    assert "of-29-days" in left
    assert "of-32-days" not in left
    assert ssh(machine, f"sudo ls {places[29]}") == "m\n"
    ssh(machine, f"sudo rm -r {places[29]}")
    timers = ssh(machine, "systemctl list-timers --no-legend postolka-deleted-mail.timer")
    assert "postolka-deleted-mail.service" in timers


def test_alias_leads_to_each_of_its_targets(
    subject: Subject, machine: Machine, alice: Login, carol: Login
) -> None:
    """More can be added and taken away; a mailbox can have copies sent on."""
    address = f"sales@{subject.domain}"
    ssh(machine, f"{_COMMAND} alias add {address} {alice.address}")
    said = ssh(machine, f"{_COMMAND} alias add {address} {carol.address} {alice.address}")
    assert said.split() == [address, f"{alice.address},", carol.address]
    both = compose(world.STRANGER, [address], "For both")
    with post.stranger(subject.lab, subject.address) as client:
        client.sendmail(world.STRANGER, [address], bytes(both))
    arrives(subject, alice, both)
    arrives(subject, carol, both)
    gone = ssh(
        machine,
        f"{_COMMAND} user add henry@{subject.domain} >/dev/null; "
        f"{_COMMAND} alias add {address} henry@{subject.domain} >/dev/null; "
        f"{_COMMAND} user del henry@{subject.domain}",
    )
    assert f"{address} still leads there" in gone
    ssh(machine, f"{_COMMAND} alias del {address} henry@{subject.domain} {alice.address}")
    (mine,) = (
        item
        for item in json.loads(ssh(machine, f"{_COMMAND} alias list --json"))
        if item["address"] == address
    )
    assert mine == {"address": address, "targets": [carol.address], "active": True}
    ssh(machine, f"{_COMMAND} alias del {address}")
    assert not _is_known(subject, address)
    ssh(machine, f"{_COMMAND} alias add {carol.address} {world.FRIEND}")
    copied = compose(world.STRANGER, [carol.address], "With a copy")
    assert bring(subject, carol, bytes(copied)) == 250
    arrives(subject, carol, copied)
    post.wait_for(subject.lab, copied["Message-ID"], timeout_seconds=60)
    ssh(machine, f"{_COMMAND} alias del {carol.address} {world.FRIEND}")
    assert _is_known(subject, carol.address)
