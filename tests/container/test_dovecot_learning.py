"""Moves into and out of Spam teach the spam filter, and never fail for it."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from postolka import mailclient
from postolka.acceptance import compose
from postolka.lab import world
from tests.container.conftest import meanwhile, ssh
from tests.container.managesieve import deliver

if TYPE_CHECKING:
    from postolka.acceptance import Subject
    from postolka.machines import Machine
    from postolka.mailclient import Login

_PROGRAM = "/usr/libexec/postolka/learn"
_LEARNT_SECONDS = 240
#: Far longer than a mail takes that is only put down to be learnt later.
_MOVE_SECONDS = 5


def _learnt(machine: Machine) -> dict[str, int]:
    """Return how many mails the site's Bayes knows of each kind."""
    magic = "cd /; sudo -u amavis HOME=/var/lib/amavis sa-learn --dump magic 2>/dev/null || true"
    rows = re.findall(r"(\d+) +\d+ +non-token data: (nspam|nham)", ssh(machine, magic))
    return {"nspam": 0, "nham": 0} | {name: int(count) for count, name in rows}


def _move(subject: Subject, login: Login, mark: str, source: str, target: str) -> None:
    """Move the mail as a client does (RFC 6851)."""
    with mailclient.inbox(subject.server, login) as client:
        client.select(source)
        (number,) = client.search(None, "HEADER", "Message-ID", f'"{mark}"')[1][0].split()
        assert client.xatom("MOVE", number.decode("ascii"), target)[0] == "OK"
        client.select(target)
        assert client.search(None, "HEADER", "Message-ID", f'"{mark}"')[1][0]


def _delivered(machine: Machine, login: Login) -> str:
    mail = compose(world.STRANGER, [login.address], "Is it spam?")
    mail.set_content("\n".join(f"word{time.time_ns()}{i} of a text" for i in range(30)))
    deliver(machine, login.address, bytes(mail))
    return str(mail["Message-ID"])


def test_moves_are_learnt(subject: Subject, machine: Machine, alice: Login) -> None:
    """Into Spam is spam, out of it is ham; from Spam into Trash is neither."""
    first, second = _delivered(machine, alice), _delivered(machine, alice)
    before = _learnt(machine)
    _move(subject, alice, first, "INBOX", "Spam")
    _move(subject, alice, second, "INBOX", "Spam")
    _await(machine, {**before, "nspam": before["nspam"] + 2})
    _move(subject, alice, second, "Spam", "Trash")
    _move(subject, alice, first, "Spam", "INBOX")
    # A mail that is learnt as ham is spam no more.
    _await(machine, {"nspam": before["nspam"] + 1, "nham": before["nham"] + 1})


def _await(machine: Machine, wanted: dict[str, int]) -> None:
    deadline = time.monotonic() + _LEARNT_SECONDS
    while (now := _learnt(machine)) != wanted:
        assert time.monotonic() < deadline, (now, wanted)
        time.sleep(1)


@pytest.mark.parametrize("program", ["/usr/bin/false", "/etc/hostname"])
def test_move_goes_on_whatever_learning_does(
    subject: Subject, machine: Machine, alice: Login, program: str
) -> None:
    """A program that fails, or can't be run, is nothing that a user sees."""
    mark = _delivered(machine, alice)
    mount = f"sudo mount --bind {program} {_PROGRAM}"
    with meanwhile(machine, mount, f"sudo umount {_PROGRAM}"):
        began = time.monotonic()
        _move(subject, alice, mark, "INBOX", "Spam")
        _move(subject, alice, mark, "Spam", "INBOX")
        assert time.monotonic() - began < 2 * _MOVE_SECONDS


def test_upkeep_forgets_nothing_new(machine: Machine) -> None:
    """Bayes is cleaned up once a day by a timer of its own, and cron has no part in it."""
    before = _learnt(machine)
    ssh(machine, "sudo systemctl start spam-bayes.service")
    assert _learnt(machine) == before
    assert "spam-bayes.service" in ssh(machine, "systemctl list-timers --no-legend")
    assert not ssh(machine, "cat /etc/cron.d/* | grep -v '^ *#' | grep -e amavis -e sa- || true")
