"""A limit on what a login may send in an hour."""

from __future__ import annotations

import json
import smtplib
import time
from typing import TYPE_CHECKING

import pytest

from postolka import mailclient
from postolka.acceptance import compose
from pyinfra_deploys.settings import Settings
from tests.container.conftest import ssh
from tests.container.test_mail import unverified

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postolka.acceptance import Subject
    from postolka.machines import Machine
    from postolka.mailclient import Login

_LIMIT = Settings().ratelimit.recipients_per_hour
_UNIT = "postolka-ratelimit.service"


@pytest.fixture
def counting(machine: Machine) -> Iterator[Machine]:
    """Count from nothing, and forget it afterwards."""
    ssh(machine, f"sudo systemctl restart {_UNIT}; sleep 1")
    yield machine
    ssh(machine, f"sudo systemctl restart {_UNIT}; sleep 1")


def _send(subject: Subject, login: Login, count: int, *, by_bdat: bool = False) -> tuple[int, str]:
    """Submit a mail to so many recipients; return the answer to its end."""
    to = [f"r{number}@sink.example" for number in range(count)]
    mail = bytes(compose(login.address, to[:1], "To many"))
    with smtplib.SMTP(subject.server.host, subject.server.ports[587], timeout=60) as client:
        client.starttls(context=unverified())
        client.login(login.address, login.password)
        client.mail(login.address)
        for recipient in to:
            assert client.rcpt(recipient)[0] == 250
        if by_bdat:
            client.send(f"BDAT {len(mail)} LAST\r\n".encode("ascii") + mail)
            code, text = client.getreply()
        else:
            code, text = client.data(mail)
        return code, text.decode("ascii")


def test_login_over_its_limit_is_put_off(counting: Machine, subject: Subject) -> None:
    """450, by DATA and by BDAT; another login isn't touched; the admin and status know."""
    for _ in range(_LIMIT // 100):
        assert _send(subject, subject.first, 100)[0] == 250
    for by_bdat in (False, True):
        code, text = _send(subject, subject.first, 1, by_bdat=by_bdat)
        assert code == 450
        assert subject.first.address in text
    assert _send(subject, subject.second, 1)[0] == 250
    shown = json.loads(ssh(counting, "sudo postolka-instance status --json; true"))
    assert subject.first.address in [problem["path"] for problem in shown["problems"]]
    assert shown["state"] == "ready"
    assert _alarms(subject) == 1


def _alarms(subject: Subject) -> int:
    """Return how many mails the admin got about the first mailbox, once there is one."""
    deadline = time.monotonic() + 120
    found: list[bytes] = []
    while not found and time.monotonic() < deadline:
        with mailclient.inbox(subject.server, subject.admin) as client:
            _, parts = client.search(None, "SUBJECT", f'"{subject.first.address} sends too much"')
            found = parts[0].split()
    return len(found)


def test_mail_with_too_many_recipients_is_refused(counting: Machine, subject: Subject) -> None:
    """For good, since it would never pass; nothing of it counts."""
    assert counting
    assert _send(subject, subject.second, _LIMIT + 1)[0] == 550
    assert _send(subject, subject.second, 1)[0] == 250


def test_mail_goes_on_without_the_service(counting: Machine, subject: Subject) -> None:
    """A limit that is away limits nothing: users' mail is worth more."""
    ssh(counting, f"sudo systemctl stop {_UNIT}")
    try:
        assert _send(subject, subject.second, 1)[0] == 250
    finally:
        ssh(counting, f"sudo systemctl start {_UNIT}")
