"""The lab's programs: where each runs, what it may write, and its log.

They come from the lab's locked root, run in a namespace of the lab, and die with this process.
"""

from __future__ import annotations

import contextlib
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from postolka import namespace
from postolka.errors import PostolkaError
from postolka.processes import Process, environment, wait_for_end
from postolka.run import ENVIRONMENT, run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from postolka.tools import Tools

_UNTIL_WE_DIE = ("setpriv", "--pdeathsig", "KILL", "--")
_POLL_SECONDS = 0.05
_STOP_SECONDS = 10.0
_TAIL_LINES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One program that runs as long as the lab."""

    name: str
    where: int
    """The namespace."""
    argv: Sequence[str]
    writes: Mapping[str, Path] = field(default_factory=dict)
    """Path inside its root -> directory of the host."""
    is_own: bool = False
    """Ours, run by this Python on the host's root; otherwise the lab root's."""


class Services:
    """Starts, stops and watches; only from the main thread.

    A child asks the kernel to be killed with its parent, and that means the thread that started it.
    """

    def __init__(self, tools: Tools, logs: Path) -> None:
        self._tools = tools
        self._logs = logs
        self._running: dict[str, tuple[Service, subprocess.Popen[bytes]]] = {}
        logs.mkdir(parents=True, exist_ok=True)

    def start(self, service: Service) -> None:
        """Start a service; one of the same name is stopped first."""
        self.stop(service.name)
        with (self._logs / service.name).open("ab") as log:
            process = subprocess.Popen(
                self._argv(service),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment() if service.is_own else ENVIRONMENT,
            )
        self._running[service.name] = (service, process)

    def stop(self, name: str) -> None:
        """Kill a service, if it runs: none of them has anything to lose."""
        if name in self._running:
            _, process = self._running.pop(name)
            started: list[Process] = []
            with contextlib.suppress(ProcessLookupError):
                started = Process.of(process.pid).descendants()
            process.kill()
            process.wait()
            # What it started dies of that, a little later, and answers until then.
            wait_for_end(started, _STOP_SECONDS)

    def stop_all(self) -> None:
        """Kill every service."""
        for name in list(self._running):
            self.stop(name)

    def revive(self) -> list[str]:
        """Start again what has ended by itself; return the names."""
        ended = [
            service for service, process in self._running.values() if process.poll() is not None
        ]
        for service in ended:
            self.start(service)
        return [service.name for service in ended]

    def call(self, where: int, argv: Sequence[str], binds: Mapping[str, Path]) -> bytes:
        """Run a program of the lab's root to its end and return its output."""
        inner = self._tools.argv(argv, binds=binds, network=True)
        return run([*namespace.argv(where), *inner])

    def wait(self, name: str, check: Callable[[], bool], timeout_seconds: float = 30) -> None:
        """Wait until `check` is true. Raises PostolkaError with the log's end when it is late."""
        deadline = time.monotonic() + timeout_seconds
        while not check():
            service, process = self._running[name]
            if time.monotonic() > deadline or process.poll() is not None:
                log = (self._logs / service.name).read_text(encoding="utf-8", errors="replace")
                tail = "\n".join(f"  | {line}" for line in log.splitlines()[-_TAIL_LINES:])
                raise PostolkaError(f"lab: {name}", f"does not start\n{tail}")
            time.sleep(_POLL_SECONDS)

    def _argv(self, service: Service) -> list[str]:
        outer = namespace.argv(service.where)
        if service.is_own:
            return [*outer, *_UNTIL_WE_DIE, *service.argv]
        inner = self._tools.argv(service.argv, writes=service.writes, network=True)
        return [*outer, *inner]


def answers(where: int, address: str, port: int) -> bool:
    """Return whether something takes TCP connections there."""
    try:
        namespace.connect(where, address, port, timeout_seconds=5).close()
    except OSError:
        return False
    return True


def listens(where: int, port: int) -> bool:
    """Return whether something in the namespace `where` takes UDP there, at an IPv4 address."""
    with namespace.entered(where):
        table = Path("/proc/thread-self/net/udp").read_text(encoding="ascii")
    return any(line.split()[1].endswith(f":{port:04X}") for line in table.splitlines()[1:])
