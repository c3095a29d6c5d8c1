"""The register of what runs: virtual machines, containers and labs, one directory each.

    NAME/machine.json   what a user of the machine needs: ports, login, console, processes
    NAME/starting       the process that is starting it; left alone means that start has died
    NAME/...            what its kind keeps there: seed, key, console log, state

Contract: a machine is in the register from before its first process until after its last one, so
`stop` and `clean` find whatever was left by a crash, an interrupt or a power cut.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from postolka import cgroups, files, home
from postolka.errors import PostolkaError
from postolka.processes import Process, interruptible, wait_for_end

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Kind = Literal["vm", "container", "lab"]

#: The user whose keys the image takes from the platform.
LOGIN_USER = "admin"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
#: Longer than the time that a supervisor gives its machine.
_STOP_SECONDS = 150
#: For what hasn't started properly: there is little to save.
_GIVE_UP_SECONDS = 10
_KILL_SECONDS = 10
_RECORD, _STARTING = "machine.json", "starting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A running (or just stopped) machine."""

    name: str
    kind: Kind
    id: str = ""
    """Id of the image that it runs."""
    processes: tuple[Process, ...]
    """The first owns the machine: on SIGTERM it ends cleanly, and the others end with it."""
    host: str = "127.0.0.1"
    ports: Mapping[int, int]
    """A port of the server -> the port on `host` that leads to it."""
    user: str = LOGIN_USER
    key: Path | None = None
    """Private key that logs in over SSH."""
    console: Path | None = None
    """Log of all that it wrote to its console."""
    lab: str = ""
    """Name of the lab that it is in."""

    @property
    def directory(self) -> Path:
        """Where its files are."""
        return directory(self.name)

    @property
    def is_running(self) -> bool:
        """Whether its first process is alive."""
        return bool(self.processes) and self.processes[0].is_alive

    def ssh(self) -> list[str]:
        """Return the command that logs in; words after it are run there.

        The host's key is remembered with the machine. Raises PostolkaError without a login.
        """
        if self.key is None or 22 not in self.ports:  # noqa: PLR2004 - SSH's port
            raise PostolkaError(self.name, "has no SSH login")
        options = {
            "IdentitiesOnly": "yes",
            "StrictHostKeyChecking": "accept-new",
            "UserKnownHostsFile": str(self.directory / "known_hosts"),
            "LogLevel": "ERROR",
        }
        words = ["ssh", "-F", "none", "-i", str(self.key), "-p", str(self.ports[22])]
        words += [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        return [*words, f"{self.user}@{self.host}"]

    def public(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return {
            "name": self.name,
            "id": self.id,
            "host": self.host,
            "ports": {str(port): there for port, there in sorted(self.ports.items())},
            "ssh": {"user": self.user, "port": self.ports.get(22), "key": _text(self.key)},
            "console": _text(self.console),
        }


def check_name(name: str) -> None:
    """Raise PostolkaError where a machine can't have this name."""
    if not _NAME.fullmatch(name):
        problem = "a name has up to 31 of a-z, 0-9 and -, and doesn't start with -"
        raise PostolkaError(f'"{name}"', problem, hint="choose another --name")


def directory(name: str) -> Path:
    """Return the directory of the machine `name`, existing or not."""
    return home.machines().absolute() / name


@contextlib.contextmanager
def starting(kind: Kind, name: str | None = None) -> Iterator[Path]:
    """Take a name (the first free one of its kind, if none is given) and yield its directory.

    Whatever ends the block but success stops what was recorded meanwhile and removes the directory.
    Raises PostolkaError where `name` is taken.
    """
    with interruptible():
        path = _take(kind, name)
        try:
            yield path
        except BaseException:
            with contextlib.suppress(PostolkaError):
                stop(path.name, timeout_seconds=_GIVE_UP_SECONDS)
            raise
        (path / _STARTING).unlink(missing_ok=True)


def save(machine: Machine) -> None:
    """Write the machine's record: whole or not at all."""
    data = {
        "kind": machine.kind,
        "id": machine.id,
        "processes": [[process.pid, process.start] for process in machine.processes],
        "host": machine.host,
        "ports": {str(port): there for port, there in machine.ports.items()},
        "user": machine.user,
        "key": _text(machine.key),
        "console": _text(machine.console),
        "lab": machine.lab,
    }
    files.replace(machine.directory / _RECORD, f"{json.dumps(data, indent=2)}\n".encode())


def load(name: str) -> Machine:
    """Return the machine `name`. Raises PostolkaError where there is none."""
    machine = _load(name) if _NAME.fullmatch(name) else None
    if machine is None:
        names = ", ".join(known.name for known in running()) or "none"
        raise PostolkaError(name, "no such machine", hint=f"running now: {names}")
    return machine


def running(kind: Kind | None = None) -> list[Machine]:
    """Return the machines that run now, by name; what others left behind is cleaned up first."""
    clean()
    found = [_load(path.name) for path in _directories()]
    return [
        machine
        for machine in found
        if machine and machine.is_running and kind in (None, machine.kind)
    ]


def stop(name: str, *, timeout_seconds: float = _STOP_SECONDS) -> None:
    """Shut the machine down, or cut its power, and forget it. Raises PostolkaError if unknown."""
    path = directory(name)
    if not _NAME.fullmatch(name) or not path.exists():
        load(name)
    machine = _load(name)
    tree = _tree(machine) if machine else []
    if machine and machine.is_running:
        machine.processes[0].send(signal.SIGTERM)
        wait_for_end(machine.processes[:1], timeout_seconds)
    # What the first one left is known only from before.
    _kill(name, tree)
    _remove(path)


def kill(name: str) -> None:
    """Take the power from the machine: all its processes die at once; its directory stays."""
    machine = _load(name)
    _kill(name, _tree(machine) if machine else [])


def _tree(machine: Machine) -> list[Process]:
    """Return the machine's processes and all that they started."""
    found = list(machine.processes)
    for process in machine.processes:
        found += process.descendants()
    return found


def _kill(name: str, processes: list[Process]) -> None:
    for process in processes:
        process.send(signal.SIGKILL)
    if not wait_for_end(processes, _KILL_SECONDS):
        left = [process.pid for process in processes if process.is_alive]
        raise PostolkaError(name, f"processes {left} do not die")


def clean() -> None:
    """Forget every machine whose processes have ended or whose start was killed."""
    for path in _directories():
        machine, starter = _load(path.name), _starter(path)
        if starter and starter.is_alive:
            continue
        if machine is None or not machine.is_running:
            kill(path.name)
            _remove(path)


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nothing uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """Hold the register: names are taken, and a lab is started, by one process at a time."""
    home.machines().mkdir(parents=True, exist_ok=True)
    with (home.machines() / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _take(kind: Kind, name: str | None) -> Path:
    if name is not None:
        check_name(name)
    with locked():
        clean()
        number = 1
        while name is None:
            candidate = f"{kind}-{number}"
            name = None if directory(candidate).exists() else candidate
            number += 1
        path = directory(name)
        if path.exists():
            hint = f"postolka {kind} stop {name}, or another --name"
            raise PostolkaError(name, "a machine of this name is running", hint=hint)
        # Made under a name that `clean` doesn't see: there it would have no starter yet.
        new = path.with_name(f".{name}.{os.getpid()}")
        new.mkdir(mode=0o700)
        own = Process.of(os.getpid())
        (new / _STARTING).write_text(f"{own.pid} {own.start}\n", encoding="ascii")
        new.rename(path)
    return path


def _starter(path: Path) -> Process | None:
    try:
        pid, start = (path / _STARTING).read_text(encoding="ascii").split()
    except (FileNotFoundError, ValueError):
        return None
    return Process(int(pid), start)


def _directories() -> list[Path]:
    return [path for path in sorted(home.machines().glob("*")) if _NAME.fullmatch(path.name)]


def _load(name: str) -> Machine | None:
    try:
        data = json.loads((directory(name) / _RECORD).read_bytes())
    except FileNotFoundError:
        return None
    return Machine(
        name=name,
        kind=data["kind"],
        id=data["id"],
        processes=tuple(Process(pid, start) for pid, start in data["processes"]),
        host=data["host"],
        ports={int(port): there for port, there in data["ports"].items()},
        user=data["user"],
        key=Path(data["key"]) if data["key"] else None,
        console=Path(data["console"]) if data["console"] else None,
        lab=data["lab"],
    )


def _text(path: Path | None) -> str | None:
    return str(path) if path else None


def _remove(path: Path) -> None:
    """Remove a directory; a process that is just dying may still write into it."""
    cgroups.remove(path)
    shutil.rmtree(path, ignore_errors=True)
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(path)
