"""What the filters are told by others: lists, reports, rules, signatures, users, the operator."""

from __future__ import annotations

import re
import time
from email import message_from_bytes
from typing import TYPE_CHECKING

import pytest

from postolka import acceptance, container, machines, mailclient
from postolka.acceptance import compose
from postolka.lab import mirror, post, spam, updates, world
from tests.container.conftest import COMMAND_SECONDS, new_instance, ssh, stopped
from tests.container.test_filters import gtube, quarantined, settle
from tests.container.updates import SIGNATURE, SIGNATURES, VIRUS, user_data

if TYPE_CHECKING:
    import imaplib
    from collections.abc import Iterator
    from email.message import EmailMessage

    from postolka.acceptance import Subject
    from postolka.lab.client import Lab
    from postolka.machines import Machine
    from postolka.mailclient import Login
    from tests.container.conftest import Boots

_REMEMBERED_SECONDS = 30


def _offer(recipient: str) -> EmailMessage:
    """Return a mail like no other. Pyzor sees neither numbers nor long words."""
    word = "".join(chr(ord("a") + int(digit)) for digit in str(time.time_ns())[-8:])
    mail = compose(world.STRANGER, [recipient], "An offer")
    mail.set_content(f"Offer {word}: buy it now, or you will regret it for ever.\n" * 8)
    return mail


def _arrives(subject: Subject, mail: EmailMessage) -> str:
    """Send a mail from outside to the first mailbox, and return its X-Spam-Status."""
    to = subject.first.address
    with post.stranger(subject.lab, subject.address) as client:
        client.sendmail(world.STRANGER, [to], bytes(mail))
    got = mailclient.wait_for(subject.server, subject.first, mail["Message-ID"])
    return str(message_from_bytes(got)["X-Spam-Status"])


def _again(mail: EmailMessage) -> EmailMessage:
    """Return another mail with the same body."""
    other = compose(world.STRANGER, [mail["To"]], "An offer")
    other.set_content(mail.get_content())
    return other


@pytest.mark.parametrize(("service", "rule"), [("razor", "RAZOR2_CHECK"), ("pyzor", "PYZOR_CHECK")])
def test_mail_that_others_reported_scores(
    subject: Subject, alice: Login, lab: Lab, service: str, rule: str
) -> None:
    """Unknown it is weighed without, reported with its score; and without where nobody answers."""
    mail = _offer(alice.address)
    assert rule not in _arrives(subject, mail)
    spam.report(lab, bytes(mail), to=[service])
    assert f"{rule}=" in _arrives(subject, _again(mail))
    lab.silence(service)
    try:
        assert rule not in _arrives(subject, _again(mail))
    finally:
        lab.silence()


def test_list_that_refuses_is_told(machine: Machine, lab: Lab) -> None:
    """127.255.255.254 is no listing; status says that the list refuses this server."""
    look = "sudo systemctl start postolka-lookout.service; sudo postolka-instance status || true"
    assert "zen.spamhaus.org" not in ssh(machine, look)
    lab.block("*", "127.255.255.254")
    try:
        # The server's resolver remembers for a moment that there was no listing.
        wanted = "warning   zen.spamhaus.org: answers 127.255.255.254"
        deadline = time.monotonic() + _REMEMBERED_SECONDS
        while wanted not in (said := ssh(machine, look)):
            assert time.monotonic() < deadline, said
            time.sleep(1)
    finally:
        lab.unblock("*")


def test_machine_has_a_razor_identity_of_its_own(machine: Machine) -> None:
    """Made once; while the servers are away the boot went on without it."""
    place = "/var/lib/amavis/.razor/identity"
    ssh(machine, "sudo systemctl start razor-identity.service")
    made = ssh(machine, f"sudo cat {place}")
    assert "user" in made
    ssh(machine, "sudo systemctl start razor-identity.service")
    assert ssh(machine, f"sudo cat {place}") == made


def test_moved_mail_is_learnt(machine: Machine, alice: Login) -> None:
    """What Dovecot pipes in as vmail, by the dozen, is soon in the site's Bayes."""
    mails = [bytes(_offer(alice.address)).decode("ascii") for _ in range(3)]
    before = _learnt(machine)
    for kind, mail in zip(("spam", "spam", "ham"), mails, strict=True):
        ssh(machine, f"sudo -u vmail /usr/libexec/postolka/learn {kind} <<'EOF'\n{mail}\nEOF")
    _wait_for(machine, {"nspam": before["nspam"] + 2, "nham": before["nham"] + 1})
    # A mail goes once sa-learn has ended, a moment after it shows in the figures.
    waiting = "sudo find /var/spool/spam-learn -type f | grep -q ."
    ssh(machine, f"timeout 60 sh -c 'while {waiting}; do sleep 1; done'")


def test_move_into_spam_teaches(subject: Subject, machine: Machine, alice: Login) -> None:
    """Over IMAP, as any mail client does it; and out of it again."""
    mail = _offer(alice.address)
    _arrives(subject, mail)
    before = _learnt(machine)
    _move(subject, alice, mail["Message-ID"], "INBOX", "Spam")
    _wait_for(machine, before | {"nspam": before["nspam"] + 1})
    _move(subject, alice, mail["Message-ID"], "Spam", "INBOX")
    # What was spam is ham now.
    _wait_for(machine, before | {"nham": before["nham"] + 1})


def _move(subject: Subject, login: Login, mark: str, source: str, target: str) -> None:
    with mailclient.inbox(subject.server, login) as client:
        client.select(source)
        _, found = client.search(None, "HEADER", "Message-ID", f'"{mark}"')
        assert client.uid("MOVE", _uid(client, found[0].decode("ascii")), target)[0] == "OK"


def _uid(client: imaplib.IMAP4, number: str) -> str:
    _, (answer, *_) = client.fetch(number, "(UID)")
    found = re.search(rb"UID (\d+)", answer if isinstance(answer, bytes) else b"")
    assert found, answer
    return found[1].decode("ascii")


def _wait_for(machine: Machine, wanted: dict[str, int]) -> None:
    deadline = time.monotonic() + COMMAND_SECONDS
    while (now := _learnt(machine)) != wanted:
        assert time.monotonic() < deadline, now
        time.sleep(1)


def _learnt(machine: Machine) -> dict[str, int]:
    magic = "cd /; sudo -u amavis HOME=/var/lib/amavis sa-learn --dump magic 2>/dev/null || true"
    rows = re.findall(r"(\d+) +\d+ +non-token data: (nspam|nham)", ssh(machine, magic))
    return {"nspam": 0, "nham": 0} | {name: int(count) for count, name in rows}


def test_operator_releases_what_was_kept(subject: Subject, machine: Machine, bob: Login) -> None:
    """Listed with what one decides by, delivered after all, and learnt from."""
    mail = gtube(world.STRANGER, bob.address)
    with post.stranger(subject.lab, subject.address) as client:
        client.sendmail(world.STRANGER, [bob.address], bytes(mail))
    assert quarantined(machine, mail["Message-ID"])
    settle(machine)
    listed = ssh(machine, "sudo postolka-instance quarantine list").splitlines()
    (line,) = (item for item in listed if f"<{world.STRANGER}> -> {bob.address}" in item)
    identifier = line.split()[0]
    assert " spam " in line
    ssh(machine, f"sudo postolka-instance quarantine release {identifier}")
    assert mailclient.wait_for(subject.server, bob, mail["Message-ID"])
    before = _learnt(machine)
    ssh(machine, f"sudo postolka-instance quarantine learn {identifier} ham")
    deadline = time.monotonic() + COMMAND_SECONDS
    while _learnt(machine) == before:
        assert time.monotonic() < deadline
        time.sleep(1)
    refused = ssh(machine, "postolka-instance quarantine list 2>&1 || true")
    assert "is not for you to read" in refused


def test_images_rules_stay_where_no_mirror_answers(
    subject: Subject, machine: Machine, alice: Login
) -> None:
    """An update that got nowhere, and one that was cut off, leave rules to weigh by."""
    ssh(machine, "sudo systemctl --no-block start spam-rules.service; sleep 5")
    for harm in ("true", "sudo rm -f /var/lib/spamassassin/*/updates_spamassassin_org.cf"):
        ssh(machine, f"{harm}; sudo systemctl restart amavis.service")
        mail = compose(world.STRANGER, [alice.address], "After an update")
        assert "RDNS_NONE=" in _arrives(subject, mail)


@pytest.mark.parametrize(
    ("timer", "hours"), [("spam-rules.timer", 4), ("clamav-signatures.timer", 3)]
)
def test_next_update_is_near(machine: Machine, timer: str, hours: int) -> None:
    """By our timer, with a random delay of twenty minutes; Debian's own ones are off."""
    show = f"systemctl show --value --property=NextElapseUSecRealtime {timer}"
    coming, now = ssh(machine, f'date --date="$({show})" +%s; date +%s').split()
    assert 0 <= int(coming) - int(now) <= (hours * 60 + 20) * 60
    asked = "spamassassin-maintenance.timer clamav-freshclam.service clamav-freshclam-once.timer"
    assert "enabled" not in ssh(machine, f"systemctl is-enabled {asked} 2>&1 || true").split()
    assert not ssh(machine, "grep -v '^#' /etc/cron.daily/spamassassin || true").strip()


@pytest.fixture(scope="module")
def updated(
    boots: Boots, lab: Lab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Machine, Subject]]:
    """Boot a server whose filters ask the lab's mirror."""
    files = new_instance(tmp_path_factory.mktemp("updated") / "files", domain="updated.test")
    data = user_data(lab, files.user_data, SIGNATURE)
    machine = container.run(boots.request(files, user_data=data))
    yield machine, acceptance.subject(machine, lab, files.directory)
    machines.stop(machine.name)


def _state_changed(machine: Machine) -> str:
    return ssh(machine, "systemctl show --property=StateChangeTimestampMonotonic amavis.service")


@pytest.mark.soak
def test_new_rules_count_at_once(updated: tuple[Machine, Subject], lab: Lab) -> None:
    """They are on the state partition, with the machine's own keyring; amavis reloads for them."""
    machine, subject = updated
    updates.rules(
        lab, b"body LAB_KESTREL /kestrel/\nscore LAB_KESTREL 2.5\ndescribe LAB_KESTREL x\n"
    )
    ssh(machine, "sudo systemctl start spam-rules.service")
    mail = compose(world.STRANGER, [subject.first.address], "A bird")
    mail.set_content("There is a kestrel on the post office.\n")
    status = _arrives(subject, mail)
    assert "LAB_KESTREL=2.5" in status
    # The image's rules count beside them.
    assert "RDNS_NONE=" in status
    assert ssh(machine, "sudo ls /var/lib/spamassassin/sa-update-keys").split()
    before = _state_changed(machine)
    ssh(machine, "sudo systemctl start spam-rules.service")
    assert _state_changed(machine) == before


@pytest.mark.soak
def test_rules_by_another_key_are_refused(updated: tuple[Machine, Subject], lab: Lab) -> None:
    """A mirror that was taken over brings nothing in; the next try is later, and nothing fails."""
    machine, _ = updated
    version = updates.rules(lab, b"score LAB_KESTREL 99\n")
    signature = lab.directory / mirror.DIRECTORY / f"{version}.tar.gz.asc"
    signature.write_bytes(b"no signature\n")
    before = _state_changed(machine)
    ssh(machine, "sudo systemctl start spam-rules.service || true")
    assert "99" not in ssh(machine, "sudo cat /var/lib/spamassassin/*/rules_example/lab.cf")
    assert _state_changed(machine) == before
    told = "warning   spam-rules.service: its last run failed (exit-code), and it will try again"
    assert told in ssh(machine, "sudo postolka-instance status || true")
    ssh(machine, "sudo systemctl stop spam-rules.service")
    assert "spam-rules" not in ssh(machine, "systemctl --failed --no-legend")


@pytest.mark.soak
def test_fetched_signatures_count_at_once(updated: tuple[Machine, Subject], lab: Lab) -> None:
    """They are loaded, mail is no longer marked, and status warns no more."""
    machine, subject = updated
    updates.signatures(lab, SIGNATURES, SIGNATURE)
    ssh(machine, "sudo systemctl start clamav-signatures.service")
    said = ssh(machine, "sudo postolka-instance status || true")
    assert "virus signatures" not in said
    # Those were asked for by a test above.
    assert "spam rules" not in said
    mail = compose(world.STRANGER, [subject.first.address], "Infected")
    mail.add_attachment(VIRUS, maintype="application", subtype="octet-stream", filename="a.bin")
    with post.stranger(subject.lab, subject.address) as client:
        client.sendmail(world.STRANGER, [subject.first.address], bytes(mail))
    assert quarantined(machine, mail["Message-ID"])
    clean = compose(world.STRANGER, [subject.first.address], "Clean")
    _arrives(subject, clean)
    got = mailclient.read(subject.server, subject.first, clean["Message-ID"])
    assert got
    assert b"X-Virus-Scanned" not in got


@pytest.mark.soak
def test_mirror_that_is_away_fails_nothing(updated: tuple[Machine, Subject], lab: Lab) -> None:
    """An upstream that is down is red in status at most, never a failed unit."""
    machine, _ = updated
    lab.silence("mirror")
    try:
        for unit in ("spam-rules.service", "clamav-signatures.service"):
            ssh(machine, f"sudo systemctl --no-block start {unit}; sleep 3")
        assert ssh(machine, "systemctl --failed --no-legend").strip() == ""
    finally:
        lab.silence()
        with stopped(machine, "spam-rules.timer clamav-signatures.timer"):
            ssh(machine, "sudo systemctl stop spam-rules.service clamav-signatures.service")
