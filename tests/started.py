"""Machines that are started whatever they will report, and what they report."""

from __future__ import annotations

import contextlib
import subprocess
import time
from typing import TYPE_CHECKING, TypeVar

from postolka import console, guest, machines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from postolka.machines import Kind, Machine

_Request = TypeVar("_Request", bound=guest.Request)


@contextlib.contextmanager
def running(
    kind: Kind, start: Callable[[Path, _Request], Machine], request: _Request
) -> Iterator[Machine]:
    """Start a machine whatever it will report, and end it: a container isn't shut down."""
    with machines.starting(kind, request.name) as directory:
        machine = start(directory, request)
    try:
        yield machine
    finally:
        # A machine that a test has killed may be forgotten by now: whoever looks around cleans up.
        if machine.directory.exists():
            (drop if kind == "container" else machines.stop)(machine.name)


def drop(name: str) -> None:
    """Take a machine's power and forget it.

    A shutdown costs a second of a processor; it has tests of its own.
    """
    machines.stop(name, timeout_seconds=0)


def await_state(machine: Machine, offset: int = 0, *, timeout_seconds: float) -> console.State:
    """Return what the machine reports on its console after byte `offset`."""
    assert machine.console
    return console.wait(
        machine.console,
        lambda: machine.is_running,
        timeout_seconds=timeout_seconds,
        offset=offset,
    )


def reboot(machine: Machine, *, timeout_seconds: float) -> console.State:
    """Reboot from the inside and return what the machine reports afterwards."""
    assert machine.console
    offset = machine.console.stat().st_size
    # The connection may end before the command does.
    subprocess.run([*machine.ssh(), "sudo systemctl reboot"], capture_output=True, check=False)
    return await_state(machine, offset, timeout_seconds=timeout_seconds)


def await_sign(machine: Machine, sign: str, *, timeout_seconds: float) -> None:
    """Return at the moment when a text is on the machine's console; fails after the time."""
    assert machine.console
    deadline = time.monotonic() + timeout_seconds
    while sign not in console.plain(machine.console.read_text(encoding="utf-8", errors="replace")):
        assert machine.is_running
        assert time.monotonic() < deadline
        time.sleep(0.01)
