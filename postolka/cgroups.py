"""Control groups of containers: a systemd inside needs one that nobody else uses.

Where systemd runs the host, it is asked for a scope and cleans up after it; elsewhere (containers,
build machines) the groups are made by hand, in the unified hierarchy and, where the host is a
hybrid, in systemd's own legacy one as well.
https://systemd.io/CGROUP_DELEGATION/
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

_MOUNT = Path("/sys/fs/cgroup")
_SYSTEMD = Path("/run/systemd/system")
_ENTER = """
set -eu
while [ "$1" != -- ]; do
    mkdir -p "$1"
    echo $$ >"$1/cgroup.procs"
    shift
done
shift
exec "$@"
"""


def name(directory: Path) -> str:
    """Return the name of the groups of the machine in `directory`, unique on the host."""
    return f"postolka-{directory.name}-{hashlib.sha256(str(directory).encode()).hexdigest()[:8]}"


def argv(directory: Path) -> list[str]:
    """Return the words before a command that make it run in groups of its own."""
    if _SYSTEMD.is_dir():
        scope = ["systemd-run", "--scope", "--quiet", "--collect", "--property=Delegate=yes"]
        return [*scope, f"--unit={name(directory)}.scope", "--"]
    return ["sh", "-c", _ENTER, "postolka", *map(str, _groups(directory)), "--"]


def remove(directory: Path) -> None:
    """Remove the groups of the machine in `directory`: those in which no process is any more."""
    for group in _groups(directory):
        found = sorted(group.rglob("*/"), key=lambda path: len(path.parts), reverse=True)
        for path in (*found, group):
            with contextlib.suppress(OSError):
                path.rmdir()


def _groups(directory: Path) -> list[Path]:
    """Return the groups that a machine has, existing or not."""
    unified = _MOUNT / "unified"
    tops = [unified if unified.is_dir() else _MOUNT, _MOUNT / "systemd"]
    return [top / name(directory) for top in tops if (top / "cgroup.procs").exists()]
