"""Daemons that the kernel ended because of a limit on their memory, or for want of any."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from typing import TYPE_CHECKING

from postolka.errors import Problem
from postolka.instance.checks.check import Check, Figure, count

if TYPE_CHECKING:
    from collections.abc import Iterable

#: SD_MESSAGE_UNIT_OUT_OF_MEMORY of systemd's sd-messages.h: the cgroup's count of memory.events
#: outlives no restart, and the journal does.
MESSAGE = "fe6faa94e7774663a0da52717891d8ef"
_ARGV = (
    *("journalctl", "--quiet", "--since=-24h", "--output=json", "--output-fields=UNIT"),
    *(f"MESSAGE_ID={MESSAGE}", "_UID=0"),
)
_SECONDS = 20


def check() -> Check:
    """Ask the journal of the last day; whoever may not read it sees nothing."""
    try:
        done = subprocess.run(_ARGV, capture_output=True, check=False, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return Check(name="memory", text="the journal gave no answer")
    return judge(done.stdout.splitlines())


def judge(lines: Iterable[bytes]) -> Check:
    """Judge the journal's entries, one JSON object each."""
    ended = Counter(json.loads(line).get("UNIT") or "another" for line in lines)
    warnings = [
        Problem(unit, f"has met its limit on memory {count(number, 'time')} in the last day")
        for unit, number in sorted(ended.items())
    ]
    total = ended.total()
    return Check(
        name="memory",
        text=f"limits were met {count(total, 'time')} in the last day"
        if total
        else "no limit was met",
        warnings=tuple(warnings),
        figures=(Figure(name="memory_limits_met", value=total),),
    )
