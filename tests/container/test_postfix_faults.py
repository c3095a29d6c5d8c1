"""What Postfix does while something that it asks is away: it puts off, and soon goes on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from postolka.acceptance import compose
from postolka.lab import post, world
from tests.container.conftest import stopped
from tests.container.sending import arrives, bring, settle

if TYPE_CHECKING:
    from postolka.acceptance import Subject
    from postolka.machines import Machine
    from postolka.mailclient import Login

#: The pause after an error is a second; a busy machine needs a few more.
_SOON_SECONDS = 10


def _rcpt(subject: Subject, recipient: str) -> int:
    with post.stranger(subject.lab, subject.address) as client:
        client.mail(world.STRANGER)
        return client.rcpt(recipient)[0]


def test_short_absence_of_the_database_is_short(
    subject: Subject, machine: Machine, alice: Login
) -> None:
    """Without SQL a recipient is put off, quickly, never refused; soon after it is taken again."""
    mail = compose(world.STRANGER, [alice.address], "Before")
    with post.stranger(subject.lab, subject.address) as client:
        client.sendmail(world.STRANGER, [alice.address], bytes(mail))
    with stopped(machine, "mariadb.service"):
        for recipient in (alice.address, f"nobody@{subject.domain}"):
            began = time.monotonic()
            assert _rcpt(subject, recipient) // 100 == 4
            assert time.monotonic() - began < _SOON_SECONDS
    deadline = time.monotonic() + _SOON_SECONDS
    for recipient, expected in ((alice.address, 250), (f"nobody@{subject.domain}", 550)):
        while (code := _rcpt(subject, recipient)) != expected:
            assert code // 100 == 4
            assert time.monotonic() < deadline
            time.sleep(0.3)
    # Dovecot has to come back to it, too, or the next test's mail waits in the queue for minutes.
    again = compose(world.STRANGER, [alice.address], "After")
    assert bring(subject, alice, bytes(again)) == 250
    settle(machine)
    arrives(subject, alice, again)
