"""Processes of the host, named so that a recycled number is never taken for the one that is meant.

A record of a process is its number, the moment it started, and the boot in which that was.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from postolka import home
from postolka.run import ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

#: proc(5): the fields of /proc/PID/stat behind the command's name start with the third.
_STATE, _START = 3 - 3, 22 - 3
_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Process:
    """One process of the host."""

    pid: int
    start: str
    """Clock ticks from boot to its start, and the boot's id."""

    @classmethod
    def of(cls, pid: int) -> Process:
        """Return the process that has the number `pid` now; raises ProcessLookupError."""
        fields = _stat(pid)
        if fields is None:
            raise ProcessLookupError(pid)
        return cls(pid, _start(fields))

    @property
    def is_alive(self) -> bool:
        """Whether it is there still: neither a zombie nor another one with the same number."""
        fields = _stat(self.pid)
        return fields is not None and fields[_STATE] not in "ZX" and _start(fields) == self.start

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it is still alive."""
        if self.is_alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def descendants(self) -> list[Process]:
        """Return its children, their children and so on, nearest first."""
        found: list[Process] = []
        queue = [self.pid] if self.is_alive else []
        while queue:
            pid = queue.pop(0)
            for child in _children(pid):
                with contextlib.suppress(ProcessLookupError):
                    found.append(Process.of(child))
                    queue.append(child)
        return found


def program(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module of this code as a program of its own."""
    return [sys.executable, "-m", module, *arguments]


def environment() -> dict[str, str]:
    """Return the environment of a `program`: none of ours but the way to the code and the home."""
    return {
        **ENVIRONMENT,
        "PYTHONPATH": str(home.CHECKOUT),
        "POSTOLKA_HOME": str(home.home().absolute()),
    }


def spawn(argv: Sequence[str], log: Path) -> Process:
    """Start a process that outlives this one, in a session of its own; it writes to `log`."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    # What we inherited ourselves must not live on in it: a caller's lock, the end of a pipe.
    mine = [int(path.name) for path in Path("/proc/self/fd").iterdir()]
    inherited = [descriptor for descriptor in mine if descriptor > 2 and _is_passed_on(descriptor)]  # noqa: PLR2004
    pid = os.posix_spawn(
        argv[0],
        list(argv),
        environment(),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
            *((os.POSIX_SPAWN_CLOSE, descriptor) for descriptor in inherited),
        ],
        setsid=True,
    )
    return Process.of(pid)


def wait_for_end(processes: Iterable[Process], timeout_seconds: float) -> bool:
    """Wait until none of `processes` is alive; return whether that came true in time."""
    deadline = time.monotonic() + timeout_seconds
    left = [process for process in processes if process.is_alive]
    while left and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        left = [process for process in left if process.is_alive]
    return not left


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM and SIGHUP interrupt the block as SIGINT does, so that it cleans up."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    old = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def _is_passed_on(descriptor: int) -> bool:
    try:
        return os.get_inheritable(descriptor)
    except OSError:
        return False


def _start(fields: list[str]) -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{fields[_START]}@{boot}"


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command's name may hold spaces and brackets; the last bracket ends it.
    return text.rpartition(")")[2].split()


def _children(pid: int) -> list[int]:
    found = []
    # The process may end at any moment, also while its threads are listed.
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += [int(word) for word in task.read_text(encoding="ascii").split()]
    return found
