"""Exceptions of the instance's data: live by `apply`, and out once their last day is over."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from typing import TYPE_CHECKING

import pytest

from postolka import mailclient
from postolka.acceptance import compose
from postolka.lab import post, world
from tests.container import senders
from tests.container.applying import KEPT, serve_by
from tests.container.conftest import JOURNAL, ssh
from tests.container.outgoing import fate
from tests.container.senders import CLUB
from tests.container.sending import arrives, bring

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postolka.acceptance import Subject
    from postolka.lab.post import Mail
    from postolka.machines import Machine
    from postolka.mailclient import Login

_TODAY = datetime.now(UTC).date()
_ENDED = _TODAY - timedelta(days=1)
_WHY = f"reason: test, until: {_TODAY + timedelta(days=9)}"
#: Strangers of a blocked network; one of them is let in all the same.
_BLOCKED, _ALLOWED = 92, 93
_DATA = f"""
exceptions:
  transports:
    - {{domain: moved.example, host: {world.SINK.name}, {_WHY}}}
    - {{domain: plain.example, host: mx.plain.example, {_WHY}}}
  tls:
    - {{domain: plain.example, level: none, {_WHY}}}
  blocked_clients:
    - {{network: 198.51.100.192/30, {_WHY}}}
  allowed_clients:
    - {{network: {world.stranger(_ALLOWED).ipv4}, {_WHY}}}
  blocked_senders:
    - {{sender: blocked.example, {_WHY}}}
  allowed_senders:
    - {{sender: {CLUB.domain}, {_WHY}}}
  headers:
    - {{header: Subject, contains: "Invoice (4711)", action: reject, {_WHY}}}
    - {{header: Subject, contains: "An old wave", action: reject, reason: over, until: {_ENDED}}}
"""


@pytest.fixture(scope="module", autouse=True)
def _excepted(subject: Subject, machine: Machine) -> Iterator[None]:
    """Give the shared server exceptions, and take them away in the end."""
    subject.lab.publish("exceptions", f"mx.plain.example. 300 IN A {world.SINK.ipv4}\n")
    kept = ssh(machine, f"sudo cat {KEPT}")
    assert "told     postfix.service" in serve_by(machine, f"{kept.rstrip()}\n{_DATA}")
    yield
    assert "told     postfix.service" in serve_by(machine, kept)
    subject.lab.publish("exceptions", "")


def _sent(subject: Subject, login: Login, recipient: str) -> Mail:
    mail = compose(login.address, [recipient], "By exception")
    mailclient.submit(subject.server, login, [recipient], bytes(mail))
    return post.wait_for(subject.lab, mail["Message-ID"])


def test_mail_to_a_domain_goes_where_it_is_told(
    subject: Subject, machine: Machine, alice: Login
) -> None:
    """Without a look at its MX records, and with TLS, unless another exception says no."""
    assert _sent(subject, alice, "a@moved.example").is_encrypted
    assert f"relay={world.SINK.name}[" in fate(machine, "a@moved.example")
    assert not _sent(subject, alice, "a@plain.example").is_encrypted


def test_blocked_clients_are_refused(subject: Subject, machine: Machine, alice: Login) -> None:
    """But for the ones that are allowed, who aren't made to wait either."""
    refused = compose(world.STRANGER, [alice.address], "From a blocked network")
    assert bring(subject, alice, bytes(refused), number=_BLOCKED) == 554
    taken = compose(world.STRANGER, [alice.address], "From an allowed host")
    assert bring(subject, alice, bytes(taken), number=_ALLOWED) == 250
    arrives(subject, alice, taken)
    host = world.stranger(_ALLOWED).ipv4
    ssh(machine, f"{JOURNAL} -u postfix.service | grep -F 'ALLOWLISTED [{host}]'")


@pytest.mark.parametrize("domain", ["blocked.example", "sub.blocked.example"])
def test_blocked_senders_are_refused(subject: Subject, alice: Login, domain: str) -> None:
    """By their domain, and what is below it."""
    mail = compose(f"x@{domain}", [alice.address], "From a blocked sender")
    code = bring(subject, alice, bytes(mail), number=_ALLOWED, sender=f"x@{domain}")
    assert code == 554


@pytest.mark.parametrize("is_theirs", [True, False], ids=["theirs", "forged"])
def test_allowed_senders_are_no_spammers(
    subject: Subject, alice: Login, *, is_theirs: bool
) -> None:
    """Where SPF and DKIM show that the mail is theirs, and not where somebody uses their name."""
    senders.publish(subject.lab)
    mail = compose(CLUB.address, [alice.address], "The bulletin")
    content = CLUB.sign(bytes(mail)) if is_theirs else bytes(mail)
    number = CLUB.number if is_theirs else _ALLOWED
    assert bring(subject, alice, content, number=number, sender=CLUB.address) == 250
    got = mailclient.wait_for(subject.server, alice, mail["Message-ID"])
    tests = str(message_from_bytes(got)["X-Spam-Status"])
    assert ("USER_IN_DKIM_WELCOMELIST" in tests) is is_theirs
    assert ("USER_IN_SPF_WELCOMELIST" in tests) is is_theirs


def test_header_decides(subject: Subject, alice: Login) -> None:
    """By its text as it stands, in capitals or not; an exception that has ended decides nothing."""
    for text, wanted in (
        ("Your invoice (4711) is due", 550),
        ("Your invoice 4711 is due", 250),
        ("An old wave", 250),
    ):
        mail = compose(world.STRANGER, [alice.address], text)
        assert bring(subject, alice, bytes(mail), number=_ALLOWED) == wanted, text


def test_ended_exceptions_are_counted(machine: Machine) -> None:
    """As a warning with the reason."""
    said = ssh(machine, "sudo postolka-instance status || true")
    assert "exception 8 in force, 1 ended" in said
    assert f"warning   header Subject: its exception ended on {_ENDED} (over)\n" in said


def test_exception_ends_by_itself(subject: Subject, machine: Machine, alice: Login) -> None:
    """In the night after its last day, by a timer; nobody has to do anything."""
    assert "postolka-exceptions.timer" in ssh(machine, "systemctl list-timers --no-legend")
    end = f"s/(Invoice .*until: )[0-9-]+/\\1{_ENDED}/"
    # As if it were the day after.
    ssh(machine, f"sudo sed -E -i '{end}' {KEPT}")
    unit = "postolka-exceptions.service"
    ssh(machine, f"sudo systemctl start {unit}")
    log = ssh(machine, f"{JOURNAL} -u {unit}")
    assert re.findall(r"changed +(\S+)", log) == ["/etc/postfix/header_checks"]
    assert re.findall(r"told +(\S+)", log) == ["postfix.service"]
    mail = compose(world.STRANGER, [alice.address], "Your invoice (4711) is due")
    assert bring(subject, alice, bytes(mail), number=_ALLOWED) == 250
    status = json.loads(ssh(machine, "sudo postolka-instance status --json || true"))
    assert status["problems"] == []
