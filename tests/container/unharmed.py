"""Whether the server has come through what was done to it, and how much memory that took."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from postolka import acceptance
from tests.container.conftest import JOURNAL, ssh

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postolka.acceptance import Subject
    from postolka.machines import Machine

#: Who reads what strangers say.
_UNITS = (
    *("postfix", "dovecot", "amavis", "clamav-daemon", "mariadb", "named"),
    *("opendkim", "opendkim-ed25519", "opendmarc", "dmarc-policy"),
)
_TROUBLE = "panic:|fatal:|segfault|killed (by|with) signal|out of memory"


def _processes(machine: Machine) -> str:
    """Return each daemon's first process: another one means that it was started afresh."""
    return ssh(machine, f"systemctl show --property=Id,MainPID,NRestarts {' '.join(_UNITS)}")


@contextlib.contextmanager
def unharmed(machine: Machine, subject: Subject) -> Iterator[None]:
    """Have no daemon, and no process of one, end badly meanwhile; then mail moves as ever."""
    before = _processes(machine)
    since = ssh(machine, "date +@%s.%N").strip()
    yield
    acceptance.receive(subject)
    acceptance.send(subject)
    assert _processes(machine) == before
    units = " ".join(f"--unit={name}" for name in _UNITS)
    options = f"--since={since} --case-sensitive=no --grep='{_TROUBLE}'"
    # Its exit code says that there is nothing.
    assert ssh(machine, f"{JOURNAL} {units} {options} || true") == ""


def peak_bytes(machine: Machine, name: str) -> int:
    """Return the sum of what each process of a service had in memory at its largest moment.

    What they share counts for each. A container has no accounts of its units' memory.
    """
    processes = f"$(ps -e -o pid=,unit= | awk '$2 == \"{name}.service\" {{print $1}}')"
    # One may be gone by now.
    command = f"for id in {processes}; do sudo grep -s VmHWM /proc/$id/status || true; done"
    # In kB, which are KiB.
    return sum(int(line.split()[1]) << 10 for line in ssh(machine, command).splitlines())
