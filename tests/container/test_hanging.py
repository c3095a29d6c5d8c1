"""A daemon that hangs: it runs, takes connections, and answers nothing. As while it is down."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from postolka import mailclient
from postolka.acceptance import compose
from postolka.lab import post, world
from tests.container.conftest import meanwhile
from tests.container.sending import arrives, bring, leaves_signed, settle, submit

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from postolka.acceptance import Subject
    from postolka.machines import Machine
    from postolka.mailclient import Login


def _hanging(machine: Machine, unit: str) -> AbstractContextManager[None]:
    """Stop all processes of a unit as by Ctrl-Z, for a while."""
    signal = f"sudo systemctl kill --signal={{}} {unit}.service"
    return meanwhile(machine, signal.format("STOP"), signal.format("CONT"))


@pytest.mark.soak
def test_resolver_that_hangs_puts_off(
    machine: Machine, subject: Subject, alice: Login, bob: Login
) -> None:
    """The DNS that doesn't even fail: strangers get 4xx after a while, users' mail is taken."""
    waiting = compose(world.FRIEND, [alice.address], "Waits for a hanging resolver")
    brought = compose(world.STRANGER, [alice.address], "While it hangs")
    sent = compose(alice.address, [bob.address, world.FRIEND], "Sent while it hangs")
    with _hanging(machine, "named"):
        post.send(subject.lab, world.FRIEND, [alice.address], bytes(waiting))
        assert submit(subject, alice, [bob.address, world.FRIEND], bytes(sent)) == 250
        assert 400 <= bring(subject, alice, bytes(brought)) < 500
        arrives(subject, bob, sent)
    settle(machine)
    arrives(subject, alice, waiting)
    leaves_signed(subject, sent)


@pytest.mark.soak
@pytest.mark.parametrize("unit", ["opendkim", "opendmarc", "dmarc-policy"])
def test_milter_that_hangs_puts_off(
    machine: Machine, subject: Subject, alice: Login, unit: str
) -> None:
    """Nobody waits for it for ever, and nothing is taken without it."""
    brought = compose(world.STRANGER, [alice.address], f"While {unit} hangs")
    with _hanging(machine, unit):
        assert 400 <= bring(subject, alice, bytes(brought)) < 500
    assert bring(subject, alice, bytes(brought)) == 250
    arrives(subject, alice, brought)


@pytest.mark.parametrize("unit", ["amavis", "clamav-daemon"])
def test_filter_that_hangs_keeps_mail(
    machine: Machine, subject: Subject, alice: Login, bob: Login, unit: str
) -> None:
    """Mail is taken, waits for it unfiltered, and arrives once."""
    brought = compose(world.STRANGER, [alice.address], f"While {unit} hangs")
    sent = compose(alice.address, [bob.address], f"Sent while {unit} hangs")
    with _hanging(machine, unit):
        assert bring(subject, alice, bytes(brought)) == 250
        assert submit(subject, alice, [bob.address], bytes(sent)) == 250
        time.sleep(3)
        for login, mail in ((alice, brought), (bob, sent)):
            assert mailclient.read(subject.server, login, mail["Message-ID"]) is None
    settle(machine)
    arrives(subject, alice, brought)
    arrives(subject, bob, sent)
