"""What happens while Dovecot or the database is away: mail waits, and everything comes back."""

from __future__ import annotations

import contextlib
import imaplib
import re
import time
from typing import TYPE_CHECKING

import pytest

from postolka import acceptance, container, machines, mailclient
from postolka.acceptance import compose
from postolka.lab import post, world
from tests import started
from tests.container import managesieve
from tests.container.conftest import JOURNAL, new_instance, ssh, stopped
from tests.container.managesieve import deliver

if TYPE_CHECKING:
    from pathlib import Path

    from postolka.acceptance import Subject
    from postolka.machines import Machine
    from postolka.mailclient import Login
    from tests.container.conftest import Boots

_BACK_SECONDS = 30
#: What the master starts; imap, lmtp and the like live for a session or a delivery.
_PROCESSES = ("anvil", "auth", "config", "imap-login", "log", "managesieve-login", "stats")


@pytest.mark.parametrize("process", _PROCESSES)
def test_killed_process_comes_back(
    subject: Subject, machine: Machine, alice: Login, process: str
) -> None:
    """Whichever of Dovecot's processes dies, there is mail to be got half a minute later."""
    # Something that listens on demand only runs while it is asked.
    with managesieve.session(subject):
        ssh(machine, f"sudo pkill -KILL -f '^dovecot/{process}( |$)'")
    mail = compose(world.STRANGER, [alice.address], f"Without {process}")
    deadline = time.monotonic() + _BACK_SECONDS
    while True:
        with contextlib.suppress(Exception):
            deliver(machine, alice.address, bytes(mail))
            if mailclient.read(subject.server, alice, mail["Message-ID"]):
                with managesieve.session(subject, alice):
                    break
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_mail_waits_for_dovecot(subject: Subject, machine: Machine, alice: Login) -> None:
    """Port 25 goes on taking mail; it is in the queue, and arrives once."""
    mail = compose(world.STRANGER, [alice.address], "While Dovecot is away")
    with stopped(machine, "dovecot.service"):
        with post.stranger(subject.lab, subject.address) as client:
            client.sendmail(world.STRANGER, [alice.address], bytes(mail))
        deadline = time.monotonic() + _BACK_SECONDS
        while "dovecot-lmtp" not in ssh(machine, "sudo postqueue -p"):
            assert time.monotonic() < deadline
            time.sleep(0.5)
    ssh(machine, "sudo postqueue -f")
    mailclient.wait_for(subject.server, alice, mail["Message-ID"])
    with mailclient.inbox(subject.server, alice) as inbox:
        found = inbox.search(None, "HEADER", "Message-ID", f'"{mail["Message-ID"]}"')
        assert len(found[1][0].split()) == 1


@pytest.mark.soak
def test_login_waits_for_the_database(subject: Subject, machine: Machine, alice: Login) -> None:
    """Without it nobody is told that a password is wrong, and soon everybody gets in again."""
    with (
        stopped(machine, "mariadb.service"),
        pytest.raises(imaplib.IMAP4.error, match="UNAVAILABLE"),
        mailclient.inbox(subject.server, alice),
    ):
        pass
    deadline = time.monotonic() + _BACK_SECONDS
    while True:
        with (
            contextlib.suppress(imaplib.IMAP4.error),
            mailclient.inbox(subject.server, alice) as inbox,
        ):
            assert inbox.state == "SELECTED"
            break
        assert time.monotonic() < deadline
        time.sleep(0.5)


@pytest.mark.soak
def test_new_database_passwords_take_effect(boots: Boots, tmp_path: Path) -> None:
    """Other passwords in the data and a reboot: every daemon goes on, and the old ones are dead."""
    state = tmp_path / "state"
    instance = new_instance(tmp_path / "files", domain="passwords.test")
    before = instance.user_data
    after = re.sub(
        rb"(?m)^(  (?:postfix|dovecot|dovecot_quota|postfixadmin|amavis): )\"?[^\"\n]+\"?$",
        rb'\1"another-password-0123456789"',
        before,
    )
    assert after != before
    machines.stop(container.run(boots.request(instance, state)).name)
    machine = container.run(boots.request(instance, state, after))
    try:
        subject = acceptance.subject(machine, boots.lab, instance.directory)
        acceptance.run(subject, lambda _promise, _seen: None)
        said = ssh(machine, f"{JOURNAL} -b")
        assert "Access denied for user" not in said
        _check_old_passwords(machine, before)
    finally:
        started.drop(machine.name)


def _check_old_passwords(machine: Machine, before: bytes) -> None:
    old = re.findall(rb"(?m)^  (postfix|dovecot|dovecot_quota): \"?([^\"\n]+)\"?$", before)
    assert len(old) == 3
    for account, password in old:
        command = f"MYSQL_PWD={password.decode()} mariadb -u {account.decode()} -e ''"
        assert "Access denied" in ssh(machine, f"{command} 2>&1 || true")
