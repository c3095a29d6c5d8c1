"""What a virtual machine and a container have in common from the request to the ready machine."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from postolka import console, machines, seed, supervisor
from postolka.errors import PostolkaError, ProblemsError
from postolka.instance.parse import parse
from postolka.lab import userdata
from postolka.machines import Machine
from postolka.processes import program, spawn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from postolka.machines import Kind
    from postolka.processes import Process

_START_SECONDS = 30
_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to boot, as whatever kind of machine."""

    id: str
    """Id of the image."""
    name: str | None = None
    user_data: bytes | None = None
    zone: str = ""
    """Records to publish in the lab: a zone file's text."""
    lab: str = ""
    """Name of a running lab; empty: no lab."""
    state: Path | None = None
    """Directory that keeps what the machine writes, for a later one; None: that goes with it."""
    ports: Sequence[int]
    """TCP ports to forward."""


_Request = TypeVar("_Request", bound=Request)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """The main process of a machine, as supervisor.Spec takes it."""

    command: Callable[[seed.Seed], Sequence[str]]
    output: str
    """Name of the file, in the machine's directory, that its output is appended to."""
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    again_status: int | None = None
    monitor: str = ""


def run(
    kind: Kind,
    start: Callable[[Path, _Request], Machine],
    request: _Request,
    *,
    timeout_seconds: float,
    progress: Callable[[str], None] | None,
) -> Machine:
    """Take a place in the register, have `start` boot the machine there, and wait for it.

    Raises PostolkaError, and leaves nothing running, where it doesn't become ready.
    """
    with machines.starting(kind, request.name) as directory:
        machine = start(directory, request)
        return _await_ready(machine, request, timeout_seconds=timeout_seconds, progress=progress)


def _await_ready(
    machine: Machine,
    request: Request,
    *,
    timeout_seconds: float,
    progress: Callable[[str], None] | None,
) -> Machine:
    """Return `machine` once it is ready; without user-data that is when it waits for them.

    Raises PostolkaError with its problems where it doesn't become ready.
    """
    state = console.wait(
        machine.directory / "console",
        lambda: machine.is_running,
        timeout_seconds=timeout_seconds,
        progress=progress,
    )
    wanted = "ready" if request.user_data is not None else "waiting"
    if state.word != wanted:
        problems = "".join(f"\n  {problem}" for problem in state.problems)
        raise PostolkaError(machine.name, f"the machine reports: {state.word}{problems}")
    return machine


def launch(directory: Path, kind: Kind, request: Request, main: Program) -> Machine:
    """Start `main` under a supervisor, in the machine's directory, and don't wait for the boot."""
    user_data = request.user_data
    if user_data is not None and request.lab:
        user_data = userdata.amend(user_data)
    seeded = seed.write(directory, directory.name, user_data)
    hostname, addresses = _identity(user_data)
    spec = supervisor.Spec(
        command=main.command(seeded),
        environment=dict(main.environment),
        is_container=kind == "container",
        console=str(directory / main.output),
        ports=list(request.ports),
        lab=request.lab,
        hostname=hostname,
        zone=request.zone,
        addresses=addresses,
        again_status=main.again_status,
        monitor=main.monitor,
    )
    supervisor.write(spec, directory)
    process = spawn(program("postolka.supervisor", str(directory)), directory / "supervisor.log")
    machine = Machine(
        name=directory.name,
        kind=kind,
        id=request.id,
        processes=(process,),
        ports={},
        key=seeded.key,
        console=directory / "console",
        lab=request.lab,
    )
    machines.save(machine)
    machine = dataclasses.replace(machine, ports=_ports(directory, process))
    machines.save(machine)
    return machine


def _ports(directory: Path, process: Process) -> dict[int, int]:
    deadline = time.monotonic() + _START_SECONDS
    while (found := supervisor.ports(directory)) is None:
        if not process.is_alive or time.monotonic() > deadline:
            log = (directory / "supervisor.log").read_text(encoding="utf-8", errors="replace")
            raise PostolkaError(directory.name, f"does not start\n{log}")
        time.sleep(_POLL_SECONDS)
    return found


def _identity(user_data: bytes | None) -> tuple[str, tuple[str, ...]]:
    """Return the hostname and the addresses of good instance data, or none."""
    try:
        instance = parse(user_data or b"", where="user-data")
    except ProblemsError:
        return "", ()
    return instance.hostname, instance.addresses
