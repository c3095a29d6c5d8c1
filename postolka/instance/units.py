"""What the daemons do: the states of their units, and the ports that are open.

Only reads.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from postolka.errors import PostolkaError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

State = Literal["active", "starting", "failed", "skipped"]

_PROPERTIES = ("Id", "LoadState", "ActiveState", "Result", "ConditionResult", "Type", "NRestarts")
_TIMES = ("ConditionTimestampMonotonic", "InactiveEnterTimestampMonotonic")
_LISTEN = "0A"  # TCP_LISTEN of the kernel's include/net/tcp_states.h
_UNCONNECTED = "07"  # TCP_CLOSE, the state of a bound UDP socket


@dataclass(frozen=True, slots=True)
class Unit:
    """A systemd unit and its state."""

    name: str
    state: State

    @property
    def is_up(self) -> bool:
        """Whether it does what it is to do, which may be nothing here."""
        return self.state in ("active", "skipped")


def states(names: Sequence[str]) -> list[Unit]:
    """Return the units' states in the order of `names`. Raises PostolkaError without systemd."""
    if not names:
        return []
    argv = ["systemctl", "show", f"--property={','.join((*_PROPERTIES, *_TIMES))}", "--", *names]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PostolkaError("systemctl", done.stderr.strip() or "gave no answer")
    return [
        Unit(name, state(dict(line.split("=", 1) for line in block.splitlines())))
        for name, block in zip(names, done.stdout.strip().split("\n\n"), strict=True)
    ]


def state(properties: dict[str, str]) -> State:
    """Judge one unit by the properties that `systemctl show` prints.

    A unit that systemd looked at and left alone because of a condition is skipped; one that it
    hasn't looked at yet has no condition's time.
    """
    if properties["LoadState"] != "loaded" or properties["ActiveState"] == "failed":
        return "failed"
    if properties["ActiveState"] in ("active", "reloading"):
        return "active"
    was_checked = properties["ConditionTimestampMonotonic"] not in ("", "0")
    if properties["ActiveState"] == "inactive" and was_checked:
        if properties["ConditionResult"] == "no":
            return "skipped"
        has_ended = properties["InactiveEnterTimestampMonotonic"] not in ("", "0")
        if properties.get("Type") == "oneshot" and has_ended and properties["Result"] == "success":
            return "active"
    return "starting"


def listening(proc: Path = Path("/proc")) -> set[tuple[str, int]]:
    """Return protocol and number of each port that something listens on, at any address."""
    found = set()
    for protocol, wanted in (("tcp", _LISTEN), ("udp", _UNCONNECTED)):
        for family in ("", "6"):
            table = proc / "net" / f"{protocol}{family}"
            if table.exists():
                rows = table.read_text(encoding="ascii").splitlines()[1:]
                found |= {(protocol, port) for port in _ports(rows, wanted)}
    return found


def _ports(rows: Iterable[str], wanted: str) -> set[int]:
    """Return the local ports of the rows in the state `wanted` (proc_net_tcp(5))."""
    fields = (row.split() for row in rows)
    return {int(field[1].rpartition(":")[2], 16) for field in fields if field[3] == wanted}
