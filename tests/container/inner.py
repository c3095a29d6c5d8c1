"""A container's own processes, as the host sees them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from postolka.machines import Machine

_START_SECONDS = 30


def init(machine: Machine) -> int:
    """Return the process of the container's systemd, a descendant of its supervisor."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        found = _descendants(machine.processes[0].pid)
        inits = [child for child in found if _command(child) == "systemd"]
        if inits:
            return inits[0]
        time.sleep(0.05)
    pytest.fail("the container has no init")


def _descendants(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        # It has ended since it was found.
        return []
    return [item for child in map(int, children) for item in (child, *_descendants(child))]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""
