"""Viruses: never in a mailbox, whichever way they come, and nobody outside hears of them."""

from __future__ import annotations

import io
import time
import zipfile
from typing import TYPE_CHECKING

import pytest

from postolka import mailclient
from postolka.acceptance import compose
from postolka.lab import post, world
from tests.container.conftest import ssh, stopped
from tests.container.test_filters import (
    delivered,
    is_idle,
    quarantined,
    settle,
    told,
)

if TYPE_CHECKING:
    from email.message import EmailMessage

    from postolka.acceptance import Subject
    from postolka.lab.client import Lab
    from postolka.machines import Machine
    from postolka.mailclient import Login

# https://www.eicar.org/download-anti-malware-testfile/, in two parts: a scanner reads this, too.
_EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR" + rb"-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


def _zipped(content: bytes, name: str) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return sink.getvalue()


_FORMS = {
    "plain": ("eicar.com", _EICAR),
    "zip": ("eicar.zip", _zipped(_EICAR, "eicar.com")),
    "nested zip": ("outer.zip", _zipped(_zipped(_EICAR, "eicar.com"), "eicar.zip")),
}


def _infected(sender: str, recipient: str, form: str) -> EmailMessage:
    name, content = _FORMS[form]
    mail = compose(sender, [recipient], "Invoice")
    mail.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    return mail


@pytest.mark.parametrize("form", _FORMS)
def test_virus_from_outside_is_kept_and_the_recipient_told(
    subject: Subject, machine: Machine, alice: Login, lab: Lab, form: str
) -> None:
    """The sender, who is forged, gets nothing."""
    mail = _infected(world.FRIEND, alice.address, form)
    mark = mail["Message-ID"]
    post.send(lab, world.FRIEND, [alice.address], bytes(mail))
    assert "octet-stream" in quarantined(machine, mark)
    settle(machine)
    assert mailclient.read(subject.server, alice, mark) is None
    # One mail has its Message-ID: the notice.
    assert told(subject, alice, mark) == 1
    assert delivered(machine, mark) == 1
    outside = (*post.sunk(lab), *post.arrived(lab))
    assert not any(mark.encode("ascii") in arrived.message for arrived in outside)


@pytest.mark.parametrize("form", _FORMS)
def test_virus_that_a_user_sends_comes_back_without_it(
    subject: Subject, machine: Machine, lab: Lab, form: str
) -> None:
    """The user and the admin are told, neither recipient gets it, inside or outside."""
    alice, bob = subject.first, subject.second
    mail = _infected(alice.address, bob.address, form)
    mark = mail["Message-ID"]
    mailclient.submit(subject.server, alice, [bob.address, world.FRIEND], bytes(mail))
    assert quarantined(machine, mark)
    settle(machine)
    assert told(subject, bob, mark) == 0
    assert told(subject, alice, mark) == 1
    # alice's and the admin's.
    assert delivered(machine, mark) == 2
    assert not any(mark.encode("ascii") in arrived.message for arrived in post.arrived(lab))
    assert delivered(machine, _EICAR.decode("ascii")) == 0


def test_mail_is_marked_while_there_are_no_signatures(
    subject: Subject, machine: Machine, alice: Login
) -> None:
    """It is delivered, says that nobody looked, and status says why."""
    mail = compose(world.STRANGER, [alice.address], "Unscanned")
    with post.stranger(subject.lab, subject.address) as client:
        client.sendmail(world.STRANGER, [alice.address], bytes(mail))
    got = mailclient.wait_for(subject.server, alice, mail["Message-ID"])
    assert b"\nX-Virus-Scanned: no; there are no signatures yet\r\n" in got
    said = ssh(machine, "sudo postolka-instance status || true")
    assert "warning   virus signatures: missing" in said
    assert "problem" not in said


def test_mail_waits_for_the_scanner(subject: Subject, machine: Machine, alice: Login) -> None:
    """Without clamd a mail is taken, waits, and arrives afterwards."""
    mail = compose(world.STRANGER, [alice.address], "Patience")
    with stopped(machine, "clamav-daemon.socket clamav-daemon.service"):
        with post.stranger(subject.lab, subject.address) as client:
            client.sendmail(world.STRANGER, [alice.address], bytes(mail))
        waits = "until sudo postqueue -p | grep -q '(.*127.0.0.1'; do sleep 0.5; done"
        ssh(machine, f"timeout 60 sh -c {waits!r}", timeout_seconds=90)
        assert mailclient.read(subject.server, alice, mail["Message-ID"]) is None
    deadline = time.monotonic() + 60
    while not is_idle(machine) and time.monotonic() < deadline:
        ssh(machine, "sudo postqueue -f; sleep 2")
    assert mailclient.wait_for(subject.server, alice, mail["Message-ID"])
    assert delivered(machine, mail["Message-ID"]) == 1
