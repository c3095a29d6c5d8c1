"""Images of other settings: what is switched off is gone, and mail flows as the setting says."""

from __future__ import annotations

import time
from email import message_from_bytes
from typing import TYPE_CHECKING, Any

import pytest

from postolka import (
    acceptance,
    build,
    container,
    mailclient,
    namespace,
)
from postolka.acceptance import compose
from postolka.lab import post, spam, world
from pyinfra_deploys import server, settings
from tests import checkouts, started
from tests.container import senders
from tests.container.conftest import Boots, new_instance, ssh
from tests.container.senders import BANK, CLUB
from tests.container.test_filters import delivered, is_idle, quarantined, settle, told
from tests.container.test_viruses import FORMS, with_files
from tests.container.updates import SIGNATURE, user_data

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from email.message import Message
    from pathlib import Path

    from postolka.acceptance import Subject
    from postolka.lab.client import Lab
    from postolka.machines import Machine

#: As little as can be.
_LEAN: dict[str, Any] = {
    "amavis_banned_files": True,
    "amavis_tag2_level": 12.5,
    "clamav_enabled": False,
    "dovecot_imap": False,
    "dovecot_managesieve": False,
    "dovecot_spam_is_read": False,
    "opendkim_ed25519": False,
    "opendmarc_dmarc_failure": "spam-folder",
    "postfix_postscreen": False,
    "postfix_submissions": False,
    "pyzor_enabled": False,
    "ratelimit_enabled": False,
    "razor_enabled": False,
    "spamassassin_score_dkim_invalid": 1.75,
    "spamassassin_score_spf_fail": 2.25,
}
#: The other choice of the settings that `_LEAN` has no room for.
_PATIENT: dict[str, Any] = {"clamav_wait_for_signatures": True, "dovecot_imaps": False}
_SOON_SECONDS = 5
# Each builds a root of its own.
pytestmark = pytest.mark.soak

#: A program, by its name and by what it begins with.
_PROGRAM = ("invoice.exe", b"MZ\x90\0" + bytes(2000))


def _boots(boots: Boots, checkout: Path, chosen: Mapping[str, Any]) -> Boots:
    """Build a root with these settings."""
    copied = checkouts.copy(checkout, checkouts.locked(), chosen)
    built = build.realise(copied, want="root", progress=print)
    return Boots(built=built, lab=boots.lab)


@pytest.fixture(scope="module")
def lean(
    boots: Boots, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Machine, Subject]]:
    """Boot a server that has nothing that can be left out."""
    directory = tmp_path_factory.mktemp("lean")
    instance = new_instance(directory / "files", domain="lean.test")
    request = _boots(boots, directory / "checkout", _LEAN).request(instance)
    senders.publish(boots.lab)
    machine = container.run(request)
    yield machine, acceptance.subject(machine, boots.lab, instance.directory)
    started.drop(machine.name)


def _bring(subject: Subject, mail: bytes, *, number: int = 0, sender: str = world.STRANGER) -> None:
    with post.stranger(subject.lab, subject.address, number=number) as client:
        client.sendmail(sender, [subject.first.address], mail)


def _got(subject: Subject, mail: Message, folder: str = "INBOX") -> Message:
    mark = mail["Message-ID"]
    return message_from_bytes(
        mailclient.wait_for(subject.server, subject.first, mark, folder=folder)
    )


def _is_open(subject: Subject, port: int) -> bool:
    try:
        namespace.connect(subject.lab.strangers, subject.address, port, timeout_seconds=1).close()
    except OSError:
        return False
    return True


def test_port_that_is_off_is_shut(lean: tuple[Machine, Subject]) -> None:
    """Nobody is let there, and who listens does so for Roundcube alone; the others answer."""
    machine, subject = lean
    chosen = settings.parse(_LEAN)
    wanted = set(server.public_tcp_ports(chosen))
    off = set(server.public_tcp_ports(settings.Settings())) - wanted
    assert off == {143, 465, 4190}
    assert {port for port in wanted | off if _is_open(subject, port)} == wanted
    listening = ssh(machine, "ss -Hltn | awk '{print $4}'").split()
    for port in off:
        found = {address for address in listening if address.endswith(f":{port}")}
        assert found <= {f"127.0.0.1:{port}"}


def test_server_without_its_extras_is_whole(lean: tuple[Machine, Subject]) -> None:
    """No unit has failed or waits for one that is off, and status warns of nothing."""
    machine, _ = lean
    said = ssh(machine, "sudo postolka-instance status")
    assert "ready" in said
    assert "virus signatures" not in said
    assert ssh(machine, "systemctl --failed --no-legend").strip() == ""
    for unit in ("clamav-daemon", "opendkim-ed25519", "postolka-ratelimit"):
        active = ssh(machine, f"systemctl is-active {unit}.service || true")
        assert active.strip() == "inactive", unit


def test_new_client_does_not_wait_without_postscreen(lean: tuple[Machine, Subject]) -> None:
    """Its first greeting comes at once."""
    _, subject = lean
    began = time.monotonic()
    with post.stranger(subject.lab, subject.address, number=71) as client:
        assert client.noop()[0] == 250
    assert time.monotonic() - began < _SOON_SECONDS


def test_mail_flows_without_a_scanner(lean: tuple[Machine, Subject]) -> None:
    """Nobody looks for viruses, and no mail says that anybody did."""
    _, subject = lean
    # Not by the name of a program, which is banned here.
    mail = with_files(world.STRANGER, subject.first.address, ("letter.txt", FORMS["plain"][1]))
    _bring(subject, bytes(mail))
    got = _got(subject, mail)
    assert got["X-Virus-Scanned"] is None
    assert got["X-Spam-Score"]


def test_one_key_signs_without_the_other(lean: tuple[Machine, Subject]) -> None:
    """Without Ed25519 the signature by RSA is there, and holds."""
    _, subject = lean
    _, outside = acceptance.send(subject)
    (signature,) = acceptance.signatures(subject.lab, outside)
    assert (signature.algorithm, signature.is_valid) == ("rsa-sha256", True)


def test_program_is_kept(lean: tuple[Machine, Subject]) -> None:
    """With banned files: the recipient is told of one from outside, the user of an own one."""
    machine, subject = lean
    alice, bob = subject.first, subject.second
    incoming = with_files(world.FRIEND, alice.address, _PROGRAM)
    post.send(subject.lab, world.FRIEND, [alice.address], bytes(incoming))
    own = with_files(bob.address, alice.address, _PROGRAM)
    mailclient.submit(subject.server, bob, [alice.address, world.FRIEND], bytes(own))
    for mail, reader in ((incoming, alice), (own, bob)):
        mark = mail["Message-ID"]
        assert quarantined(machine, mark)
        settle(machine)
        assert told(subject, reader, mark) == 1
        assert delivered(machine, mark) == 1
        found = (*post.sunk(subject.lab), *post.arrived(subject.lab))
        assert not any(mark.encode("ascii") in arrived.message for arrived in found)
    listed = ssh(machine, "sudo postolka-instance quarantine list")
    assert listed.count(" banned ") == 2


def test_spoof_is_filed_under_spam(lean: tuple[Machine, Subject]) -> None:
    """spam-folder: what p=reject disowns is taken, marked and, by the other setting, unread."""
    _, subject = lean
    mail = compose(BANK.address, [subject.first.address], "A letter")
    _bring(subject, bytes(mail))
    got = _got(subject, mail, "Spam")
    assert got["X-DMARC-Disposition"] == "quarantine"
    assert "dmarc=fail (p=reject dis=none)" in " ".join(got["Authentication-Results"].split())
    with mailclient.inbox(subject.server, subject.first) as client:
        client.select("Spam", readonly=True)
        marked = f'HEADER Message-ID "{mail["Message-ID"]}"'
        assert client.search(None, f"UNSEEN {marked}")[1][0]


def test_scores_are_the_settings(lean: tuple[Machine, Subject]) -> None:
    """A failed SPF check, a broken signature, and from where on it is spam."""
    _, subject = lean
    mail = compose(CLUB.address, [subject.first.address], "A letter")
    broken = CLUB.sign(bytes(mail)).replace(b"A letter", b"Another")
    # Any stranger's address but the one that the domain's SPF record names.
    _bring(subject, broken, number=72, sender=CLUB.address)
    status = " ".join(_got(subject, mail)["X-Spam-Status"].split())
    assert "SPF_FAIL=2.25" in status
    assert "DKIM_INVALID=1.75" in status
    assert "required=12.5" in status


def test_nobody_is_asked_who_is_off(lean: tuple[Machine, Subject]) -> None:
    """A mail that Razor and Pyzor know has no score of theirs."""
    _, subject = lean
    mail = compose(world.STRANGER, [subject.first.address], "An offer")
    mail.set_content("Buy it now, or you will regret it for ever: lean prices.\n" * 8)
    spam.report(subject.lab, bytes(mail), to=["razor", "pyzor"])
    _bring(subject, bytes(mail))
    status = _got(subject, mail)["X-Spam-Status"]
    assert "RAZOR" not in status
    assert "PYZOR" not in status


@pytest.fixture
def patient(
    boots: Boots, lab: Lab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Machine, Subject]]:
    """Boot a server whose mail waits for signatures, while the mirror is away."""
    directory = tmp_path_factory.mktemp("patient")
    instance = new_instance(directory / "files", domain="patient.test")
    data = user_data(lab, instance.user_data, SIGNATURE)
    lab.silence("mirror")
    try:
        request = _boots(boots, directory / "checkout", _PATIENT).request(instance, user_data=data)
        machine = container.run(request)
        yield machine, acceptance.subject(machine, lab, instance.directory)
        started.drop(machine.name)
    finally:
        lab.silence()


def test_mail_waits_for_signatures(patient: tuple[Machine, Subject]) -> None:
    """Taken and queued until freshclam has fetched; then it arrives, once and unmarked."""
    machine, subject = patient
    assert not _is_open(subject, 993)
    mail = compose(world.STRANGER, [subject.first.address], "Patience")
    _bring(subject, bytes(mail))
    waits = "until sudo postqueue -p | grep -q '(.*127.0.0.1'; do sleep 0.5; done"
    ssh(machine, f"timeout 60 sh -c {waits!r}", timeout_seconds=90)
    assert mailclient.read(subject.server, subject.first, mail["Message-ID"]) is None
    assert "virus signatures: missing" in ssh(machine, "sudo postolka-instance status || true")
    subject.lab.silence()
    ssh(machine, "sudo systemctl start clamav-signatures.service", timeout_seconds=120)
    deadline = time.monotonic() + 60
    while not is_idle(machine) and time.monotonic() < deadline:
        ssh(machine, "sudo postqueue -f; sleep 2")
    assert _got(subject, mail)["X-Virus-Scanned"] is None
    assert delivered(machine, mail["Message-ID"]) == 1
