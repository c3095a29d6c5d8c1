"""docs/failures.md, row by row: what is away puts mail off, loses none, and lets it in again."""

from __future__ import annotations

import contextlib
import itertools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from postolka import mailclient
from postolka.acceptance import compose
from postolka.lab import post, world
from tests.container import judged, senders
from tests.container.conftest import meanwhile, ssh
from tests.container.senders import BANK, CLUB
from tests.container.sending import arrives, bring, leaves_signed, settle, submit

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from postolka.acceptance import Subject
    from postolka.machines import Machine
    from postolka.mailclient import Login

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
    Row(
        name="MariaDB",
        away="sudo systemctl stop mariadb.service",
        # A process of Postfix that met none asks again after a minute (RETRY_CONN_INTV of
        # dict_mysql.c); the tests behind this one don't wait for it.
        back="sudo systemctl start mariadb.service; sudo postfix reload",
    ),
    _unit("BIND", "named.service", submits=True, sends=False),
    Row(
        name="the DNS of others",
        away=_routes("add"),
        back=_routes("del"),
        submits=True,
        sends=False,
    ),
    _unit("Dovecot", "dovecot.service", receives=True),
    _unit(
        "amavis",
        "amavis.socket amavis.service",
        receives=True,
        submits=True,
        delivers=False,
        sends=False,
    ),
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


#: One of each kind for `make test`: a milter, the filter, and what all others ask.
_FIRST = ("OpenDKIM", "amavis", "MariaDB")


@pytest.fixture(scope="module", autouse=True)
def _published(subject: Subject) -> None:
    senders.publish(subject.lab)


def _is_as_promised(code: int, *, goes_on: bool) -> bool:
    return code == 250 if goes_on else 400 <= code < 500


@pytest.mark.parametrize(
    "row",
    [row if row.name in _FIRST else pytest.param(row, marks=pytest.mark.soak) for row in ROWS],
    ids=str,
)
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
            "brought": bring(subject, alice, bytes(brought)),
            "bounce": bring(subject, alice, bytes(bounce), sender=""),
            "sent": submit(subject, alice, [bob.address, world.FRIEND], bytes(sent)),
        }
        assert _is_as_promised(codes["brought"], goes_on=row.receives), codes
        assert _is_as_promised(codes["bounce"], goes_on=row.receives), codes
        assert _is_as_promised(codes["sent"], goes_on=row.submits), codes
        # Nothing forged gets in because a judge is away.
        assert bring(subject, alice, bytes(spoof)) >= 400
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


@contextlib.contextmanager
def _dying(machine: Machine) -> Iterator[None]:
    """Kill, stop and restart each milter again and again."""
    units = ("opendkim", "opendmarc", "dmarc-policy", "opendkim-ed25519")
    deeds = ("kill --signal=KILL {}", "restart {}", "stop {0}; sudo systemctl start {0}")

    def work(is_over: threading.Event) -> None:
        for unit, deed in itertools.cycle(itertools.product(units, deeds)):
            if is_over.is_set():
                return
            ssh(machine, f"sudo systemctl {deed.format(f'{unit}.service')}")
            time.sleep(0.3)

    try:
        with judged.beside(work):
            yield
    finally:
        ssh(machine, "sudo systemctl start " + " ".join(f"{unit}.service" for unit in units))


@pytest.mark.soak
def test_no_mail_is_judged_wrongly_while_milters_die(
    machine: Machine, subject: Subject, alice: Login
) -> None:
    """However a milter ends, a mail is put off, or judged as ever."""
    judged.rightly(subject, alice, _dying(machine))
