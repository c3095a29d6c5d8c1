"""Look for what a killed build could have left behind."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def running_with(word: str) -> list[str]:
    """Return the command lines of all processes that have `word` in them."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if word in line:
                found.append(line)
    return found


def mounts_below(path: Path) -> list[str]:
    """Return the mounts of this namespace that have `path` in them."""
    table = Path("/proc/self/mountinfo").read_text()
    return [line for line in table.splitlines() if str(path) in line]


def wait_until(is_so: Callable[[], bool], seconds: float = 20) -> bool:
    """Ask until the answer is yes, or the time is up."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if is_so():
            return True
        time.sleep(0.05)
    return is_so()
