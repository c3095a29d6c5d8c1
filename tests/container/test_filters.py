"""The content filter: spam is marked or discarded, and nothing else happens to a mail."""

from __future__ import annotations

import smtplib
import time
from email import message_from_bytes, policy
from typing import TYPE_CHECKING

import pytest

from postolka import acceptance, mailclient
from postolka.acceptance import compose
from postolka.lab import post, world
from tests.container.conftest import COMMAND_SECONDS, meanwhile, sql, ssh, stopped

if TYPE_CHECKING:
    from email.message import EmailMessage

    from postolka.acceptance import Subject
    from postolka.lab.client import Lab
    from postolka.machines import Machine
    from postolka.mailclient import Login

# https://spamassassin.apache.org/gtube/
_GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n"
_QUARANTINE = "/var/lib/amavis/virusmails"
_LIMIT_BYTES = 50 << 20
#: Both of amavis's units: its ports stay open while only one is stopped.
_UNITS = "amavis.socket amavis.service"
#: It isn't "reloading" either.
_RUNS = "[ $(systemctl is-active amavis.service) = active ]"
#: Addresses that a machine can get, by its loopback address of the same family.
_NEW = {"127.0.0.1": "203.0.113.77", "::1": "2001:db8:1::77"}
_FROM_AN_ADDRESS = """
import smtplib
with smtplib.SMTP("{own}", 25, source_address=("{new}", 0), timeout=60) as client:
    client.sendmail("x@stranger.example", ["{to}"], "Message-ID: <{mark}>\\n\\nx\\n")
"""


def _from_stranger(subject: Subject, mail: EmailMessage, *recipients: str) -> None:
    with post.stranger(subject.lab, subject.address) as client:
        client.sendmail(world.STRANGER, recipients, bytes(mail))


def gtube(sender: str, recipient: str) -> EmailMessage:
    mail = compose(sender, [recipient], "Buy")
    mail.set_content(_GTUBE)
    return mail


def quarantined(machine: Machine, mark: str) -> str:
    """Return the quarantined mail with that Message-ID, once it is there; empty: it never was."""
    deadline = time.monotonic() + COMMAND_SECONDS
    files = f"find {_QUARANTINE} -type f -exec zgrep -lF {mark!r} {{}} +"
    look = f'sudo sh -c "{files} | xargs -r zcat"'
    while not (found := ssh(machine, look)) and time.monotonic() < deadline:
        time.sleep(0.5)
    return found


def is_idle(machine: Machine) -> bool:
    return "Mail queue is empty" in ssh(machine, "sudo postqueue -p")


def settle(machine: Machine) -> None:
    """Wait until no mail is under way."""
    deadline = time.monotonic() + COMMAND_SECONDS
    while not is_idle(machine):
        assert time.monotonic() < deadline, ssh(machine, "sudo postqueue -p")
        time.sleep(0.2)


def delivered(machine: Machine, word: str) -> int:
    """Return in how many mails of all mailboxes `word` stands."""
    mails = "find /var/vmail -type f ( -path */new/* -o -path */cur/* ) -exec grep -lF"
    argv = mails.replace("(", r"\(").replace(")", r"\)").replace("*", r"\*")
    # grep says by its exit status that there are none.
    return len(ssh(machine, f"sudo {argv} '{word}' {{}} + || true").split())


def told(subject: Subject, login: Login, word: str) -> int:
    """Return how many mails in an inbox have `word` in their text."""
    with mailclient.inbox(subject.server, login) as client:
        _, found = client.search(None, "TEXT", f'"{word}"')
    return len(found[0].split())


def test_every_mail_from_outside_has_its_score(subject: Subject, alice: Login) -> None:
    """X-Spam headers at each score, and none that the sender wrote itself."""
    mail = compose(world.STRANGER, [alice.address], "A fair offer")
    mail["X-Spam-Status"] = "No, score=-99 of a stranger"
    _from_stranger(subject, mail, alice.address)
    got = message_from_bytes(mailclient.wait_for(subject.server, alice, mail["Message-ID"]))
    assert [value.partition(",")[0] for value in got.get_all("X-Spam-Status", [])] == ["No"]
    assert "required=7" in got["X-Spam-Status"]
    assert float(got["X-Spam-Score"]) < 7
    assert "127.0.0.1" not in "".join(got.get_all("Received", []))


def test_each_hosted_domain_has_its_scores(
    subject: Subject, machine: Machine, alice: Login
) -> None:
    """The filter asks the database, at each mail: a domain that is new there, as an alias, too."""
    new = "hosted.example"
    rows = {"alias_domain": f"alias_domain='{new}'", "domain": f"domain='{new}'"}
    columns = "description='', transport='virtual'"
    sql(machine, f"INSERT INTO domain SET {rows['domain']}, {columns}")
    target = f"target_domain='{subject.domain}'"
    sql(machine, f"INSERT INTO alias_domain SET {rows['alias_domain']}, {target}")
    try:
        to = alice.address.replace(subject.domain, new)
        mail = compose(world.STRANGER, [to], "To the other name")
        _from_stranger(subject, mail, to)
        got = message_from_bytes(mailclient.wait_for(subject.server, alice, mail["Message-ID"]))
        assert got["X-Spam-Score"]
    finally:
        for table, row in rows.items():
            sql(machine, f"DELETE FROM {table} WHERE {row}")  # noqa: S608 - a test's own


def test_spam_is_discarded_and_kept(
    subject: Subject, machine: Machine, alice: Login, lab: Lab
) -> None:
    """GTUBE is taken, goes to no mailbox but to the quarantine, and nobody is told."""
    mail = gtube(world.FRIEND, alice.address)
    post.send(lab, world.FRIEND, [alice.address], bytes(mail))
    kept = quarantined(machine, mail["Message-ID"])
    assert f"X-Envelope-From: <{world.FRIEND}>" in kept
    assert _GTUBE.strip() in kept
    settle(machine)
    assert mailclient.read(subject.server, alice, mail["Message-ID"]) is None
    mark = mail["Message-ID"].encode("ascii")
    assert not any(mark in arrived.message for arrived in (*post.sunk(lab), *post.arrived(lab)))


def test_spam_that_a_user_sends_is_told_to_the_admin(
    subject: Subject, machine: Machine, alice: Login, bob: Login, lab: Lab
) -> None:
    """It goes nowhere, neither inside nor outside; the user whose password is lost isn't told."""
    mail = gtube(alice.address, bob.address)
    mailclient.submit(subject.server, alice, [bob.address, world.FRIEND], bytes(mail))
    assert quarantined(machine, mail["Message-ID"])
    settle(machine)
    for login in (alice, bob):
        assert mailclient.read(subject.server, login, mail["Message-ID"]) is None
    mark = mail["Message-ID"].encode("ascii")
    assert not any(mark in arrived.message for arrived in post.arrived(lab))
    assert told(subject, alice, mail["Message-ID"]) == 0
    assert delivered(machine, mail["Message-ID"]) == 1


def test_quarantine_forgets_after_a_month(machine: Machine) -> None:
    """What is older than amavis_quarantine_days goes, what is younger stays."""
    old, young = f"{_QUARANTINE}/a/spam-old.gz", f"{_QUARANTINE}/a/spam-young.gz"
    ssh(machine, f"sudo -u amavis mkdir -p {_QUARANTINE}/a")
    ssh(machine, f"sudo -u amavis touch -d '31 days ago' {old}")
    ssh(machine, f"sudo -u amavis touch -d '29 days ago' {young}")
    ssh(machine, "sudo systemctl start systemd-tmpfiles-clean.service")
    left = ssh(machine, f"sudo ls {_QUARANTINE}/a").split()
    # What other tests have put there has a name by chance.
    assert "spam-young.gz" in left
    assert "spam-old.gz" not in left
    assert "systemd-tmpfiles-clean.timer" in ssh(machine, "systemctl list-timers --no-legend")
    ssh(machine, f"sudo rm {young}")


def test_mail_between_users_is_verified_here(subject: Subject, bob: Login) -> None:
    """Its signatures are checked for the recipient inside, and outside nothing is added."""
    inside, outside = acceptance.send(subject)
    results = message_from_bytes(inside).get_all("Authentication-Results")
    assert results
    assert all(value.startswith("mail.example.test") for value in results)
    assert "".join(results).count("dkim=pass") == 2
    assert "X-Spam-Score" in message_from_bytes(inside)
    assert bob.address in message_from_bytes(inside)["To"]
    head = outside.partition(b"\r\n\r\n")[0].lower()
    assert not any(word in head for word in (b"x-spam", b"amavis", b"\nauthentication-results"))


def test_alias_of_three_gives_three_mails(
    subject: Subject, machine: Machine, alice: Login, bob: Login, lab: Lab
) -> None:
    """An alias leads on once, whatever the mail passes on its way."""
    address = f"three@{subject.domain}"
    goto = f"{alice.address},{bob.address},{world.FRIEND}"
    row = f"address='{address}', goto='{goto}', domain='{subject.domain}'"
    sql = f"INSERT IGNORE INTO alias SET {row}, created=NOW(), modified=NOW()"
    ssh(machine, f'sudo mariadb postfixadmin -e "{sql}"')
    mail = compose(world.STRANGER, [address], "To three")
    _from_stranger(subject, mail, address)
    for login in (alice, bob):
        assert mailclient.wait_for(subject.server, login, mail["Message-ID"])
    post.wait_for(lab, mail["Message-ID"])
    settle(machine)
    assert delivered(machine, mail["Message-ID"]) == 2
    mark = mail["Message-ID"].encode("ascii")
    assert sum(mark in arrived.message for arrived in post.arrived(lab)) == 1


def test_mail_as_large_as_may_be_arrives(subject: Subject, alice: Login) -> None:
    """What Postfix took is not too large on its way back, with its new headers on top."""
    mail = compose(world.STRANGER, [alice.address], "As large as may be")
    line = b"x" * 996 + b"\r\n"
    # A line's length takes one byte more in the queue file than its end in the mail.
    count = _LIMIT_BYTES // (len(line) + 1) - 1
    for fewer in range(8):
        content = bytes(mail) + line * (count - fewer)
        with post.stranger(subject.lab, subject.address) as client:
            try:
                client.sendmail(world.STRANGER, [alice.address], content, ["BODY=8BITMIME"])
            except smtplib.SMTPDataError as error:
                assert error.smtp_code == 552  # noqa: PT017 - one line too many
            else:
                break
    else:
        pytest.fail("Postfix takes nothing near its limit")
    got = mailclient.wait_for(
        subject.server, alice, mail["Message-ID"], timeout_seconds=COMMAND_SECONDS
    )
    assert got.endswith(line)
    assert "X-Spam-Score" in message_from_bytes(got.partition(b"\r\n\r\n")[0], policy=policy.SMTP)


@pytest.mark.parametrize("units", [_UNITS, "mariadb.service"])
def test_mail_waits_for_the_filter(
    subject: Subject, machine: Machine, alice: Login, units: str
) -> None:
    """Without amavis, or what it needs, a mail is taken, waits, and arrives afterwards, once."""
    mail = compose(world.STRANGER, [alice.address], "Patience")
    ssh(machine, "sudo postqueue -f")
    if units != _UNITS:
        # Taken before, since Postfix asks the database for recipients.
        with stopped(machine, _UNITS):
            _from_stranger(subject, mail, alice.address)
            ssh(machine, f"sudo systemctl stop {units}")
        with stopped(machine, units):
            ssh(machine, "sleep 5; sudo postqueue -f; sleep 3")
            assert not is_idle(machine)
    else:
        with stopped(machine, units):
            _from_stranger(subject, mail, alice.address)
            ssh(machine, "sleep 1")
            assert "127.0.0.1" in ssh(machine, "sudo postqueue -p")
            assert mailclient.read(subject.server, alice, mail["Message-ID"]) is None
    deadline = time.monotonic() + COMMAND_SECONDS
    while not is_idle(machine) and time.monotonic() < deadline:
        ssh(machine, "sudo postqueue -f; sleep 2")
    assert mailclient.wait_for(subject.server, alice, mail["Message-ID"])
    assert delivered(machine, mail["Message-ID"]) == 1


@pytest.mark.parametrize(
    "harm",
    [
        "sudo systemctl restart amavis.service",
        "sudo systemctl kill --signal=KILL amavis.service",
        "for _ in 1 2 3; do sudo systemctl reload amavis.service & sleep 0.5; done",
    ],
    ids=["restarted", "killed", "reloaded three times"],
)
def test_filter_that_starts_again_puts_nothing_off(
    subject: Subject, machine: Machine, alice: Login, harm: str
) -> None:
    """Its ports stay open: Postfix waits for its greeting, and not for minutes in the queue."""
    mail = compose(world.STRANGER, [alice.address], "In between")
    ssh(machine, f"{harm} </dev/null >/dev/null 2>&1")
    _from_stranger(subject, mail, alice.address)
    mailclient.wait_for(subject.server, alice, mail["Message-ID"], timeout_seconds=COMMAND_SECONDS)


def test_reload_ends_when_the_filter_has_read_its_settings(machine: Machine) -> None:
    """It goes on as the same process, however soon the next one comes."""
    look = "systemctl show --property=MainPID,NRestarts amavis.service"
    parent = "$(systemctl show --property=MainPID --value amavis.service)"
    children = f"pgrep --parent {parent}"
    before = ssh(machine, look)
    old, *new = (
        set(ssh(machine, f"{word} {children}").split())
        for word in ("", *("sudo systemctl reload amavis.service;",) * 2)
    )
    assert old
    assert all(new)
    assert not old & new[0]
    assert not new[0] & new[1]
    assert ssh(machine, look) == before


def test_own_addresses_are_known_after_a_change(
    subject: Subject, machine: Machine, alice: Login
) -> None:
    """Mail from a new address of the machine's, of each family, is its own; amavis goes on."""
    known = "/run/amavis-networks/addresses"
    device = "$(ip route show default | grep -o 'dev [^ ]*')"
    change = "; ".join(f"sudo ip address {{0}} {new} {device}" for new in _NEW.values())
    both = " ".join(f"-e {new}" for new in _NEW.values())
    until = f"timeout {COMMAND_SECONDS} sh -c 'until {{}}; do sleep 0.2; done'"
    wait = until.format(f"[ $(grep -cF {both} {known}) = {{}} ]")
    marks = [f"{time.time_ns()}-{number}@{subject.domain}" for number in range(len(_NEW))]
    with meanwhile(machine, change.format("add"), change.format("delete")):
        ssh(machine, wait.format(len(_NEW)))
        ssh(machine, f"sleep 1; {until.format(_RUNS)}")
        for mark, (own, new) in zip(marks, _NEW.items(), strict=True):
            script = _FROM_AN_ADDRESS.format(new=new, own=own, to=alice.address, mark=mark)
            ssh(machine, f"python3 -c '{script}'")
        for mark in marks:
            got = message_from_bytes(mailclient.wait_for(subject.server, alice, f"<{mark}>"))
            assert "ALL_TRUSTED=" in got["X-Spam-Status"]
    ssh(machine, wait.format(0))
