"""Viruses: never in a mailbox, whichever way they come, and nobody outside hears of them."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

import pytest

from postolka import mailclient
from postolka.acceptance import compose
from postolka.lab import post, world
from tests.container.conftest import ssh
from tests.container.test_filters import (
    delivered,
    quarantined,
    settle,
    told,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from email.message import EmailMessage

    from postolka.acceptance import Subject
    from postolka.lab.client import Lab
    from postolka.machines import Machine
    from postolka.mailclient import Login

# https://www.eicar.org/download-anti-malware-testfile/, in two parts: a scanner reads this, too.
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR" + rb"-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


def _zipped(content: bytes, name: str) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return sink.getvalue()


FORMS = {
    "plain": ("eicar.com", EICAR),
    "zip": ("eicar.zip", _zipped(EICAR, "eicar.com")),
    "nested zip": ("outer.zip", _zipped(_zipped(EICAR, "eicar.com"), "eicar.zip")),
}


def with_files(sender: str, recipient: str, *files: tuple[str, bytes]) -> EmailMessage:
    """Return a mail with these files, by name and content, attached."""
    mail = compose(sender, [recipient], "Invoice")
    for name, content in files:
        mail.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    return mail


def _deep(levels: int) -> bytes:
    """Return an archive in an archive in … with a virus at the bottom."""
    content, name = EICAR, "eicar.com"
    for level in range(levels):
        content, name = _zipped(content, name), f"{level}.zip"
    return content


def _locked() -> bytes:
    """Return an archive that says of its one file that it has a password."""
    content = bytearray(_zipped(b"no key opens this", "letter.txt"))
    # In the file's own header, and in the directory's (APPNOTE.TXT, 4.4.4).
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


#: Far beyond amavis' $MAXLEVELS, with a virus beside it that any scanner would see.
_BOMB = (("deep.zip", _deep(20)), FORMS["plain"])


def _from_outside_is_kept(
    subject: Subject, machine: Machine, files: Sequence[tuple[str, bytes]]
) -> str:
    """Send a mail from outside that only its recipient is told of; return its Message-ID."""
    alice, lab = subject.first, subject.lab
    mail = with_files(world.FRIEND, alice.address, *files)
    mark: str = mail["Message-ID"]
    post.send(lab, world.FRIEND, [alice.address], bytes(mail))
    assert "octet-stream" in quarantined(machine, mark)
    settle(machine)
    assert mailclient.read(subject.server, alice, mark) is None
    # One mail has its Message-ID: the notice.
    assert told(subject, alice, mark) == 1
    assert delivered(machine, mark) == 1
    outside = (*post.sunk(lab), *post.arrived(lab))
    assert not any(mark.encode("ascii") in arrived.message for arrived in outside)
    return mark


def _comes_back(subject: Subject, machine: Machine, files: Sequence[tuple[str, bytes]]) -> None:
    """Send a mail as a user: the user and the admin are told, no recipient gets it."""
    alice, bob = subject.first, subject.second
    mail = with_files(alice.address, bob.address, *files)
    mark = mail["Message-ID"]
    mailclient.submit(subject.server, alice, [bob.address, world.FRIEND], bytes(mail))
    assert quarantined(machine, mark)
    settle(machine)
    assert told(subject, bob, mark) == 0
    assert told(subject, alice, mark) == 1
    # alice's and the admin's.
    assert delivered(machine, mark) == 2
    arrived = post.arrived(subject.lab)
    assert not any(mark.encode("ascii") in outside.message for outside in arrived)


@pytest.mark.parametrize("form", FORMS)
def test_virus_from_outside_is_kept_and_the_recipient_told(
    subject: Subject, machine: Machine, form: str
) -> None:
    """The sender, who is forged, gets nothing."""
    _from_outside_is_kept(subject, machine, [FORMS[form]])


@pytest.mark.parametrize("form", FORMS)
def test_virus_that_a_user_sends_comes_back_without_it(
    subject: Subject, machine: Machine, form: str
) -> None:
    """The user and the admin are told, neither recipient gets it, inside or outside."""
    _comes_back(subject, machine, [FORMS[form]])
    assert delivered(machine, EICAR.decode("ascii")) == 0


def test_bomb_is_kept_with_all_its_mail(subject: Subject, machine: Machine, alice: Login) -> None:
    """No scanner sees it, so it isn't clean: its recipient is told, an operator can release it."""
    mark = _from_outside_is_kept(subject, machine, _BOMB)
    listed = ssh(machine, "sudo postolka-instance quarantine list").splitlines()
    (line,) = (item for item in listed if " unchecked " in item and alice.address in item)
    ssh(machine, f"sudo postolka-instance quarantine release {line.split()[0]}")
    assert mailclient.wait_for(subject.server, alice, mark)


def test_bomb_that_a_user_sends_comes_back_without_it(subject: Subject, machine: Machine) -> None:
    """As a virus does: the user and the admin are told, and nobody gets it."""
    _comes_back(subject, machine, _BOMB)


@pytest.mark.parametrize(
    "file",
    [("letter.zip", _locked()), ("letter.rar", b"Rar!\x1a\x07\x01\0" + bytes(100))],
    ids=["password", "RAR"],
)
def test_mail_that_can_not_be_opened_is_marked(
    subject: Subject, bob: Login, lab: Lab, file: tuple[str, bytes]
) -> None:
    """It is delivered, from outside or inside; its reader sees that nobody looked into it."""
    from_outside = with_files(world.FRIEND, bob.address, file)
    post.send(lab, world.FRIEND, [bob.address], bytes(from_outside))
    from_inside = with_files(subject.first.address, bob.address, file)
    mailclient.submit(subject.server, subject.first, [bob.address], bytes(from_inside))
    for mail in (from_outside, from_inside):
        got = mailclient.wait_for(subject.server, bob, mail["Message-ID"])
        assert b"\nX-Virus-Scanned: no; something in it is encrypted" in got


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
