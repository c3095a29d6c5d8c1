"""A machine's life: without data, with wrong data, rebooted, changed."""

from __future__ import annotations

import json
import smtplib
import socket
from typing import TYPE_CHECKING

import pytest

from postolka import acceptance, console, container, machines, mailclient
from postolka.lab import world
from tests import started
from tests.container.applying import apply, of_the_lab, status
from tests.container.conftest import (
    BOOT_SECONDS,
    Boots,
    new_instance,
    reboot,
    running,
    ssh,
    tcp_ports,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from postolka.machines import Machine


def _is_open(machine: Machine, port: int) -> bool:
    """Whether a daemon answers: where none does, the forwarder breaks the connection."""
    there = (machine.host, machine.ports[port])
    try:
        with socket.create_connection(there, timeout=30) as client:
            client.settimeout(3)
            return bool(client.recv(1))
    except TimeoutError:
        # A port with implicit TLS waits for its client.
        return True
    except OSError:
        return False


def _state(machine: Machine, offset: int = 0) -> console.State:
    return started.await_state(machine, offset, timeout_seconds=BOOT_SECONDS)


@pytest.fixture(scope="module")
def empty(boots: Boots) -> Iterator[Machine]:
    """Boot a machine without data."""
    machine = container.run(boots.request(None))
    yield machine
    started.drop(machine.name)


def test_machine_without_data_is_ssh_only(empty: Machine) -> None:
    """No mail port is open, and the console and `status` say what is missing."""
    assert _is_open(empty, 22)
    assert [port for port in tcp_ports() if port != 22 and _is_open(empty, port)] == []
    assert "none yet" in ssh(empty, "sudo postolka-instance status; true")


def test_first_data_can_come_by_hand(empty: Machine, tmp_path: Path) -> None:
    """A machine that never had any serves after this, by the same data as any other."""
    instance = new_instance(tmp_path / "files", domain="hand.test")
    code, said = apply(empty, b"format: 1\n")
    assert code == 1
    assert "hostname: is missing" in said
    code, said = apply(empty, of_the_lab(instance))
    assert code == 0, said
    found = status(empty)
    assert (found["state"], found["data"]) == ("ready", "applied")
    credentials = json.loads((instance.directory / "credentials.json").read_text(encoding="utf-8"))
    login = credentials["accounts"][0]
    with smtplib.SMTP(empty.host, empty.ports[587], timeout=60) as client:
        client.starttls()
        client.login(login["address"], login["password"])


def test_wrong_data_are_told_all_at_once(boots: Boots, tmp_path: Path) -> None:
    """Each problem is on the console with its path, and no mail port opens."""
    instance = new_instance(tmp_path / "files")
    broken = instance.user_data.replace(b"hostname: ", b"hostname: -").replace(
        b"algorithm: rsa", b"algorithm: rot13"
    )
    with running(boots.request(instance, user_data=broken)) as machine:
        state = _state(machine)
        assert state.word == "waiting"
        assert any(problem.startswith("hostname:") for problem in state.problems)
        assert any("algorithm" in problem for problem in state.problems)
        assert not _is_open(machine, 25)
        assert _is_open(machine, 22)


def test_mail_survives_a_reboot(boots: Boots, tmp_path: Path) -> None:
    """What was acknowledged is there after a reboot, and the machine is the same one."""
    instance = new_instance(tmp_path / "files", domain="reboot.test")
    machine = container.run(boots.request(instance))
    try:
        subject = acceptance.subject(machine, boots.lab, instance.directory)
        before = acceptance.receive(subject)
        facts = "cat /etc/machine-id; sudo cat /etc/bind/rndc.key; sudo find /etc -xdev | sort"
        facts_before = ssh(machine, facts)
        assert reboot(machine).word == "ready"
        assert ssh(machine, facts) == facts_before
        mark = _message_id(before)
        assert mailclient.wait_for(subject.server, subject.first, mark) == before
        # So is what the journal has of its way.
        assert "stored mail into mailbox" in ssh(machine, f"postolka-instance trace '{mark}'")
        assert acceptance.receive(subject)
    finally:
        started.drop(machine.name)


def _message_id(message: bytes) -> str:
    head = message.partition(b"\r\n\r\n")[0].lower()
    return message[head.index(b"message-id:") + 11 :].split(b"\r\n")[0].strip().decode("ascii")


@pytest.mark.soak
def test_changed_data_and_a_reboot_change_the_instance(boots: Boots, tmp_path: Path) -> None:
    """A new account works after a reboot; wrong data later are refused, and the last good serve."""
    state = tmp_path / "state"
    old = new_instance(tmp_path / "old", domain="change.test", accounts=("alice", "bob"))
    data = old.user_data
    extra = (
        b'  - address: "carol@change.test"\n    password_hash: "%s"\n    quota_mib: 10\n'
        % _hash_of(data)
    )
    new = data.replace(b"accounts:\n", b"accounts:\n" + extra, 1)
    machine = container.run(boots.request(old, state))
    machines.stop(machine.name)
    machine = container.run(boots.request(old, state, new))
    try:
        assert _takes(machine, "carol@change.test")
    finally:
        machines.stop(machine.name)
    broken = new.replace(b"algorithm: rsa", b"algorithm: rot13")
    with running(boots.request(old, state, broken)) as machine:
        assert _state(machine).word == "ready"
        assert "is not one of rsa" in ssh(machine, "sudo postolka-instance status; true")
        assert _takes(machine, "carol@change.test")


def _hash_of(user_data: bytes) -> bytes:
    return user_data.split(b'password_hash: "')[1].split(b'"')[0]


def _takes(machine: Machine, recipient: str) -> bool:
    with smtplib.SMTP(machine.host, machine.ports[25]) as client:
        client.ehlo()
        client.mail(world.STRANGER)
        return client.rcpt(recipient)[0] == 250
