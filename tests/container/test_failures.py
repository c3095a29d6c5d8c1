"""docs/failures.md, row by row: what is away puts mail off, loses none, and lets it in again."""

from __future__ import annotations

import contextlib
import itertools
import smtplib
import threading
import time
from dataclasses import dataclass, field
from email import message_from_bytes
from typing import TYPE_CHECKING

import pytest

from postolka import acceptance, mailclient
from postolka.acceptance import compose
from postolka.lab import post, world
from tests.container import senders
from tests.container.conftest import meanwhile, ssh
from tests.container.senders import BANK, CLUB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from email.message import EmailMessage

    from postolka.acceptance import Subject
    from postolka.machines import Machine
    from postolka.mailclient import Login

#: Postfix looks for mail of the sendmail command once a minute (wakeup of pickup).
_BACK_SECONDS = 100
_DNS = (world.ROOT_DNS, world.TLD_DNS, world.HOSTS_DNS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What is away, and what goes on meanwhile."""

    name: str
    away: str
    """The commands that take it away …"""
    back: str
    """… and bring it back."""
    receives: bool = False
    """Mail comes in on 25."""
    submits: bool = False
    """A user can send mail."""
    delivers: bool = True
    """What a user has sent reaches another user."""
    sends: bool = True
    """What a user has sent leaves."""

    def __str__(self) -> str:
        return self.name


def _unit(name: str, unit: str, **goes_on: bool) -> Row:
    away, back = f"sudo systemctl stop {unit}", f"sudo systemctl start {unit}"
    return Row(name=name, away=away, back=back, **goes_on)


def _routes(verb: str) -> str:
    v4 = [f"sudo ip route {verb} unreachable {host.ipv4}" for host in _DNS]
    v6 = [f"sudo ip -6 route {verb} unreachable {host.ipv6}" for host in _DNS]
    return "; ".join((*v4, *v6, "sudo rndc flush"))


ROWS = (
    _unit("OpenDKIM", "opendkim.service"),
    _unit("the Ed25519 signer", "opendkim-ed25519.service", receives=True),
    _unit("OpenDMARC", "opendmarc.service", submits=True),
    _unit("the milter behind OpenDMARC", "dmarc-policy.service", submits=True),
    _unit("MariaDB", "mariadb.service"),
    _unit("BIND", "named.service", submits=True, sends=False),
    Row(
        name="the DNS of others",
        away=_routes("add"),
        back=_routes("del"),
        submits=True,
        sends=False,
    ),
    _unit("Dovecot", "dovecot.service", receives=True),
    _unit("amavis", "amavis.service", receives=True, submits=True, delivers=False, sends=False),
    _unit(
        "clamd",
        "clamav-daemon.socket clamav-daemon.service",
        receives=True,
        submits=True,
        delivers=False,
        sends=False,
    ),
    _unit("postsrsd", "postsrsd.service"),
)


@pytest.fixture(scope="module", autouse=True)
def _published(subject: Subject) -> None:
    senders.publish(subject.lab)


def code_of(send: Callable[[], object]) -> int:
    """Send a mail; return the code that decided on it."""
    try:
        send()
    except smtplib.SMTPRecipientsRefused as refused:
        return next(iter(refused.recipients.values()))[0]
    except smtplib.SMTPResponseException as refused:
        return refused.smtp_code
    except smtplib.SMTPServerDisconnected:
        return 421
    return 250


def _bring(
    subject: Subject, login: Login, message: bytes, *, number: int = 0, sender: str = world.STRANGER
) -> int:
    """Bring a mail from a stranger's address; return the code that decided on it."""

    def send() -> None:
        with post.stranger(subject.lab, subject.address, number=number) as client:
            client.sendmail(sender, [login.address], message)

    return code_of(send)


def submit(subject: Subject, login: Login, recipients: list[str], message: bytes) -> int:
    """Submit a mail; return the code that decided on it."""
    return code_of(lambda: mailclient.submit(subject.server, login, recipients, message))


def _is_as_promised(code: int, *, goes_on: bool) -> bool:
    return code == 250 if goes_on else 400 <= code < 500


def arrives(subject: Subject, login: Login, mail: EmailMessage) -> None:
    """Wait for a mail; it arrives once."""
    mark = mail["Message-ID"]
    mailclient.wait_for(subject.server, login, mark, timeout_seconds=_BACK_SECONDS)
    with mailclient.inbox(subject.server, login) as client:
        assert len(client.search(None, "HEADER", "Message-ID", f'"{mark}"')[1][0].split()) == 1


def settle(machine: Machine) -> None:
    """Have the queue tried until it is empty: Postfix waits for minutes once somebody was away."""
    deadline = time.monotonic() + _BACK_SECONDS
    while "is empty" not in ssh(machine, "sudo postqueue -f; sleep 2; sudo postqueue -p"):
        assert time.monotonic() < deadline


def leaves_signed(subject: Subject, mail: EmailMessage) -> None:
    """Wait for a mail outside; it bears both signatures, and they hold."""
    outside = post.wait_for(subject.lab, mail["Message-ID"], timeout_seconds=_BACK_SECONDS)
    found = acceptance.signatures(subject.lab, outside.message)
    assert {item.algorithm for item in found if item.is_valid} == {"rsa-sha256", "ed25519-sha256"}


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_row(machine: Machine, subject: Subject, alice: Login, bob: Login, row: Row) -> None:
    """While it is away each answer is as the table says; then everything acknowledged arrives."""
    waiting = compose(world.FRIEND, [alice.address], f"Waits for {row.name}")
    brought = compose(f"x@{CLUB.domain}", [alice.address], f"Without {row.name}")
    bounce = compose(f"x@{CLUB.domain}", [alice.address], f"Bounce without {row.name}")
    spoof = compose(BANK.address, [alice.address], f"Spoof without {row.name}")
    sent = compose(alice.address, [bob.address, world.FRIEND], f"Sent without {row.name}")
    command = compose(alice.address, [world.FRIEND], f"By command without {row.name}")
    with meanwhile(machine, row.away, row.back):
        # The stock server outside tries again until it is taken.
        post.send(subject.lab, world.FRIEND, [alice.address], bytes(waiting))
        codes = {
            "brought": _bring(subject, alice, bytes(brought)),
            "bounce": _bring(subject, alice, bytes(bounce), sender=""),
            "sent": submit(subject, alice, [bob.address, world.FRIEND], bytes(sent)),
        }
        assert _is_as_promised(codes["brought"], goes_on=row.receives), codes
        assert _is_as_promised(codes["bounce"], goes_on=row.receives), codes
        assert _is_as_promised(codes["sent"], goes_on=row.submits), codes
        # Nothing forged gets in because a judge is away.
        assert _bring(subject, alice, bytes(spoof)) >= 400
        sendmail = f"sudo sendmail -f {alice.address} {world.FRIEND}"
        ssh(machine, f"{sendmail} <<'END'\n{bytes(command).decode()}\nEND")
        if row.submits and row.delivers:
            arrives(subject, bob, sent)
        if not row.delivers:
            time.sleep(2)
            assert mailclient.read(subject.server, bob, sent["Message-ID"]) is None
            assert mailclient.read(subject.server, alice, brought["Message-ID"]) is None
        if not row.sends:
            time.sleep(2)
            assert not any(
                sent["Message-ID"].encode() in m.message for m in post.arrived(subject.lab)
            )
    settle(machine)
    arrives(subject, alice, waiting)
    if row.receives:
        arrives(subject, alice, brought)
        arrives(subject, alice, bounce)
    if row.submits:
        arrives(subject, bob, sent)
        leaves_signed(subject, sent)
    leaves_signed(subject, command)


@dataclass(slots=True)
class _Tally:
    """What became of the mails of one kind."""

    taken: list[EmailMessage] = field(default_factory=list)
    put_off: int = 0
    refused: int = 0

    def count(self, code: int, mail: EmailMessage) -> None:
        """Note an answer."""
        if code == 250:
            self.taken.append(mail)
        elif code < 500:
            self.put_off += 1
        else:
            self.refused += 1


@contextlib.contextmanager
def _dying(machine: Machine) -> Iterator[None]:
    """Kill, stop and restart each milter again and again."""
    units = ("opendkim", "opendmarc", "dmarc-policy", "opendkim-ed25519")
    deeds = ("kill --signal=KILL {}", "restart {}", "stop {0}; sudo systemctl start {0}")
    is_over = threading.Event()

    def work() -> None:
        for unit, deed in itertools.cycle(itertools.product(units, deeds)):
            if is_over.is_set():
                return
            ssh(machine, f"sudo systemctl {deed.format(f'{unit}.service')}")
            time.sleep(0.3)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
        ssh(machine, "sudo systemctl start " + " ".join(f"{unit}.service" for unit in units))


def test_no_mail_is_judged_wrongly_while_milters_die(
    machine: Machine, subject: Subject, alice: Login
) -> None:
    """However a milter ends, a mail is put off, or judged as ever; OpenDKIM's leak ends it so."""
    good, spoofed, plain, sent = (_Tally() for _ in range(4))
    deadline = time.monotonic() + 150
    with _dying(machine):
        while time.monotonic() < deadline and not all(
            tally.put_off and len(tally.taken) + tally.refused >= 5
            for tally in (good, spoofed, plain, sent)
        ):
            mail = compose(BANK.address, [alice.address], "Signed")
            good.count(_bring(subject, alice, BANK.sign(bytes(mail)), number=1), mail)
            mail = compose(BANK.address, [alice.address], "Spoofed")
            spoofed.count(_bring(subject, alice, bytes(mail), number=2), mail)
            mail = compose(f"x@{CLUB.domain}", [alice.address], "Plain")
            plain.count(_bring(subject, alice, bytes(mail), number=3), mail)
            mail = compose(alice.address, [world.FRIEND], "Sent")
            sent.count(submit(subject, alice, [world.FRIEND], bytes(mail)), mail)
    assert all(tally.put_off for tally in (good, spoofed, plain, sent)), "nothing was away"
    assert (good.refused, plain.refused, sent.refused) == (0, 0, 0)
    assert not spoofed.taken
    assert spoofed.refused
    for mail in good.taken:
        assert _judged(subject, alice, mail) == {"dkim=pass", "dmarc=pass"}
    for mail in plain.taken:
        assert _judged(subject, alice, mail) == {"dkim=none", "dmarc=none"}
    for mail in sent.taken:
        leaves_signed(subject, mail)


def _judged(subject: Subject, login: Login, mail: EmailMessage) -> set[str]:
    """Return what the server says of DKIM and DMARC in the delivered mail."""
    delivered = mailclient.wait_for(subject.server, login, mail["Message-ID"])
    values = message_from_bytes(delivered).get_all("Authentication-Results", [])
    words = [value.partition(";")[2].split()[0].strip(";") for value in values]
    return {word for word in words if word.startswith(("dkim=", "dmarc="))}
