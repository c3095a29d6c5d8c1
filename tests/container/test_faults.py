"""What goes wrong on a server: daemons die, a rush, a full disk. Nothing acknowledged is lost."""

from __future__ import annotations

import contextlib
import smtplib
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from postolka import acceptance, container, mailclient
from postolka.acceptance import compose
from postolka.lab import post, world
from pyinfra_deploys import room, server
from pyinfra_deploys.settings import Settings
from tests import started
from tests.container.conftest import new_instance, ssh

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from postolka.acceptance import Subject
    from postolka.machines import Machine
    from postolka.mailclient import Login
    from tests.container.conftest import Boots

_BACK_SECONDS = 30
_MAILS, _CONNECTIONS = 1000, 20
_RUSH_SECONDS = 900
_DISK_MIB = 700


def _properties(machine: Machine, unit: str) -> dict[str, str]:
    text = ssh(machine, f"systemctl show --property=Type,ActiveState,MainPID {unit}")
    return dict(line.split("=", 1) for line in text.splitlines())


@pytest.mark.parametrize("unit", [unit.name for unit in room.units(server.all_rooms(), Settings())])
def test_killed_daemon_comes_back(machine: Machine, unit: str) -> None:
    """A daemon that dies is there again within half a minute, whatever killed it."""
    before = _properties(machine, unit)
    if before.get("MainPID", "0") == "0":
        pytest.skip("no daemon here: it runs once, or not in a container")
    ssh(machine, f"sudo kill -KILL {before['MainPID']}")
    _await_another(machine, unit, before["MainPID"])


def _await_another(machine: Machine, unit: str, before: str) -> None:
    """Wait until another process than `before` serves as `unit`."""
    deadline = time.monotonic() + _BACK_SECONDS
    while _back(machine, unit) in ("0", before):
        assert time.monotonic() < deadline, _properties(machine, unit)
        time.sleep(0.2)


def _back(machine: Machine, unit: str) -> str:
    """Return the process that serves as `unit`; 0: none, or the way to ask is what was killed."""
    try:
        properties = _properties(machine, unit)
    except AssertionError:
        return "0"
    return properties["MainPID"] if properties["ActiveState"] == "active" else "0"


def test_mail_flows_after_every_daemon_was_killed(subject: Subject) -> None:
    """They have not only come back: together they serve as before."""
    acceptance.run(subject, lambda _promise, _seen: None)


def test_database_starts_after_a_power_cut_in_its_start(machine: Machine) -> None:
    """A transaction log that was made and not begun, as such a cut leaves it, goes."""
    log = "/var/lib/mysql/tc.log"
    kill = "systemctl kill --signal=KILL --kill-whom=main mariadb.service"
    cut = f"{kill}; truncate --size=0 {log}; truncate --size=24576 {log}"
    before = _properties(machine, "mariadb.service")["MainPID"]
    ssh(machine, f"sudo sh -c '{cut}'")
    _await_another(machine, "mariadb.service", before)


@pytest.mark.soak
def test_rush_arrives_once(subject: Subject, bob: Login) -> None:
    """Of a thousand mails over twenty connections at a time each arrives, and none twice."""
    mails = [compose(world.STRANGER, [bob.address], f"Rush {number}") for number in range(_MAILS)]

    def send(first: int) -> None:
        with post.stranger(subject.lab, subject.address, number=first) as client:
            for mail in mails[first::_CONNECTIONS]:
                client.sendmail(world.STRANGER, [bob.address], bytes(mail))

    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        list(pool.map(send, range(_CONNECTIONS)))
    wanted = Counter(mail["Message-ID"] for mail in mails)
    # The filter weighs a few a second on a busy machine.
    deadline = time.monotonic() + _RUSH_SECONDS
    while wanted - (got := _inbox(subject, bob)) and time.monotonic() < deadline:
        time.sleep(1)
    assert {mark: got[mark] for mark in wanted} == wanted


def _inbox(subject: Subject, login: Login) -> Counter[str]:
    """Return how often each mail is in the inbox, by its Message-ID."""
    with mailclient.inbox(subject.server, login) as client:
        _, parts = client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")
    heads = (part[1].decode("ascii") for part in parts if isinstance(part, tuple))
    return Counter(head.partition(":")[2].strip() for head in heads)


@contextlib.contextmanager
def _small_disk(where: Path) -> Iterator[None]:
    where.mkdir()
    size = f"size={_DISK_MIB}m,mode=0755"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "postolka-test", str(where)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(where)], check=True)


@contextlib.contextmanager
def _filled(machine: Machine, *, left_mib: int) -> Iterator[None]:
    """Fill the machine's disk up to `left_mib`."""
    filler = "/var/tmp/filler"  # noqa: S108 - on the machine
    left = f"$(($(df --output=avail --block-size=1M /var | tr -dc 0-9) - {left_mib or 1}))M"
    ssh(machine, f"sudo fallocate --length {left} {filler}")
    if not left_mib:
        ssh(machine, f"sudo sh -c 'cat /dev/zero >{filler}.rest' 2>&1 || true")
    try:
        yield
    finally:
        ssh(machine, f"sudo rm -f {filler} {filler}.rest")


@pytest.mark.soak
def test_full_disk_defers_and_loses_nothing(boots: Boots, tmp_path: Path) -> None:
    """With little space left new mail is put off; with none, what was taken waits and arrives."""
    instance = new_instance(tmp_path / "files", domain="full.test")
    with _small_disk(tmp_path / "state"):
        machine = container.run(boots.request(instance, tmp_path / "state"))
        try:
            subject = acceptance.subject(machine, boots.lab, instance.directory)
            _check_little_space(machine, subject)
            _check_no_space(machine, subject)
            assert acceptance.receive(subject)
        finally:
            started.drop(machine.name)


def _send(subject: Subject) -> str:
    """Send a mail from outside to the first mailbox; return its Message-ID."""
    recipient = subject.first.address
    mail = compose(world.STRANGER, [recipient], "While the disk is full")
    with post.stranger(subject.lab, subject.address) as client:
        client.sendmail(world.STRANGER, [recipient], bytes(mail))
    return str(mail["Message-ID"])


def _check_little_space(machine: Machine, subject: Subject) -> None:
    own = compose(subject.first.address, [subject.second.address], "While the disk is full")

    def submit() -> None:
        mailclient.submit(subject.server, subject.first, [subject.second.address], bytes(own))

    with _filled(machine, left_mib=40):
        for send in (lambda: _send(subject), submit):
            with pytest.raises(smtplib.SMTPSenderRefused) as refused:
                send()
            assert refused.value.smtp_code == 452
        assert "mail is put off with 452" in ssh(machine, "sudo postolka-instance status || true")


def _check_no_space(machine: Machine, subject: Subject) -> None:
    ssh(machine, "sudo systemctl stop dovecot.service")
    mark = _send(subject)
    with _filled(machine, left_mib=0):
        ssh(machine, "sudo systemctl start dovecot.service; sudo postqueue -f; sleep 3")
        assert subject.first.address in ssh(machine, "sudo postqueue -p")
    ssh(machine, "sudo systemctl restart dovecot.service; sudo postqueue -f")
    mailclient.wait_for(subject.server, subject.first, mark)
    assert _inbox(subject, subject.first)[mark] == 1
    checked = ssh(machine, "sudo mariadb-check --all-databases --silent; sudo doveadm index -A '*'")
    assert checked.strip() == ""
