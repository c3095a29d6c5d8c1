"""Mail that the machine itself writes: signed, and read by the admin."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from postolka import acceptance, mailclient
from postolka.lab import post, world
from tests.container.conftest import meanwhile, ssh

if TYPE_CHECKING:
    from postolka.acceptance import Subject
    from postolka.machines import Machine

#: cron looks once a minute, and an emulated machine takes its time.
_WAIT_SECONDS = 180


def _find(subject: Subject, text: str, *, timeout_seconds: float) -> bytes:
    """Return the admin's mail that holds `text`, as soon as it is there."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        with mailclient.inbox(subject.server, subject.admin) as client:
            _, found = client.search(None, "TEXT", f'"{text}"')
            if numbers := found[0].split():
                _, parts = client.fetch(numbers[-1].decode(), "(BODY.PEEK[])")
                part = parts[0]
                assert isinstance(part, tuple)
                return part[1]
        assert time.monotonic() < deadline, f"no mail with {text}"
        time.sleep(1)


def test_mail_command_writes_to_the_world_signed(subject: Subject, machine: Machine) -> None:
    """`mail` on the machine: what it sends is the host's, and signed with each key."""
    subject_line = f"By hand {time.time_ns()}"
    ssh(machine, f"echo Hello | sudo mail -s '{subject_line}' {world.FRIEND}")
    mail = _outside(subject, subject_line)
    found = acceptance.signatures(subject.lab, mail)
    assert {s.algorithm for s in found if s.is_valid} == {"rsa-sha256", "ed25519-sha256"}
    assert b"From: root <root@" + subject.server.name.encode("ascii") in mail


def _outside(subject: Subject, subject_line: str) -> bytes:
    deadline = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < deadline:
        for mail in post.arrived(subject.lab):
            if subject_line.encode("ascii") in mail.message:
                return mail.message
        time.sleep(0.2)
    raise AssertionError(subject_line)


def test_root_is_the_admin(subject: Subject, machine: Machine) -> None:
    """Mail to root, or to a daemon's account, on the machine is the admin's."""
    for account in ("root", "www-data", "postfix"):
        mark = f"{account}-{time.time_ns()}"
        ssh(machine, f"echo {mark} | mail -s test {account}")
        assert _find(subject, mark, timeout_seconds=_WAIT_SECONDS)


def test_crons_mail_reaches_the_admin(subject: Subject, machine: Machine) -> None:
    """What a job of the operator's prints is in the admin's inbox, signed by the domain."""
    mark = f"cron-{time.time_ns()}"
    with meanwhile(machine, f"echo '* * * * * echo {mark}' | crontab -", "crontab -r"):
        mail = _find(subject, mark, timeout_seconds=_WAIT_SECONDS)
    assert b"Cron Daemon" in mail
    assert [s.domain for s in acceptance.signatures(subject.lab, mail)] == [subject.domain] * 2
