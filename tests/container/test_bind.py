"""The resolver: it validates, refuses what is bogus, and answers nobody but its own machine."""

from __future__ import annotations

import smtplib
from typing import TYPE_CHECKING

import pytest

from postolka import mailclient, namespace
from postolka.acceptance import compose
from postolka.errors import PostolkaError
from postolka.lab import post, query, world
from tests.container.conftest import ssh

if TYPE_CHECKING:
    from postolka.acceptance import Subject
    from postolka.machines import Machine
    from postolka.mailclient import Login


def test_bogus_answers_are_refused(machine: Machine) -> None:
    """SERVFAIL for a record whose signature doesn't hold; valid answers carry the AD bit."""
    bogus = ssh(machine, f"dig {world.BOGUS} TXT")
    assert "status: SERVFAIL" in bogus
    assert world.SINK.ipv4 in ssh(machine, f"dig +cd +short {world.BOGUS} A")
    flags = ssh(machine, f"dig {world.OUTSIDE.name} A").partition("flags:")[2].partition(";")[0]
    assert "ad" in flags.split()


def test_mail_of_and_to_a_bogus_domain_waits(
    machine: Machine, subject: Subject, alice: Login
) -> None:
    """Whoever can forge its DNS gets no mail in as it, and none of its mail."""
    mail = compose(f"x@{world.BOGUS}", [alice.address], "From a forged domain")
    with (
        pytest.raises(smtplib.SMTPResponseException) as put_off,
        post.stranger(subject.lab, subject.address) as client,
    ):
        client.sendmail(world.STRANGER, [alice.address], bytes(mail))
    assert 400 <= put_off.value.smtp_code < 500
    away = compose(alice.address, [f"x@{world.BOGUS}"], "To a forged domain")
    mailclient.submit(subject.server, alice, [f"x@{world.BOGUS}"], bytes(away))
    # Not before amavis has given it back: it is another one in the queue then.
    seen = f"sudo postqueue -p | grep -q name={world.BOGUS}"
    wait = f"timeout 60 sh -c 'until {seen}; do sleep 1; done'"
    ssh(machine, wait, timeout_seconds=90)
    assert not any(away["Message-ID"].encode() in mail.message for mail in post.sunk(subject.lab))
    ssh(machine, f"sudo postqueue -p | awk '/x@{world.BOGUS}/ {{ print id }} /^[0-9A-Za-z]/ "
        "{ id = $1 }' | tr -d '*!' | sudo postsuper -d -")  # fmt: skip


def test_nobody_else_is_answered(subject: Subject) -> None:
    """From outside there is no resolver, by UDP or TCP."""
    with pytest.raises(PostolkaError, match="no answer"):
        query.ask(subject.lab.strangers, subject.address, world.OUTSIDE.name, "A")
    with pytest.raises(OSError):  # noqa: PT011 - whichever way it is shut
        namespace.connect(subject.lab.strangers, subject.address, 53, timeout_seconds=3)


def test_key_of_rndc_is_the_machines_own(machine: Machine) -> None:
    """Whoever isn't root can't rule the resolver, and the key isn't in the image."""
    assert "server is up" in ssh(machine, "sudo rndc status")
    assert "denied" in ssh(machine, "cat /etc/bind/rndc.key 2>&1 || true")
    key = ssh(machine, "sudo cat /etc/bind/rndc.key").partition('secret "')[2].partition('"')[0]
    assert len(key) >= 40
    assert not ssh(machine, f"sudo grep -rl '{key}' /usr /var/lib/bind 2>/dev/null || true")
