"""Whether the clock is right: signatures, certificates and DNSSEC need it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from postolka.errors import Problem
from postolka.instance.checks.check import DAY_SECONDS, Check, Figure, duration

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from postolka.instance.units import Unit

UNIT = "systemd-timesyncd.service"
#: It asks every half hour or so.
_STALE_SECONDS = DAY_SECONDS


def check(mark: Path, units: Iterable[Unit], now: float) -> Check:
    """Judge by `mark`, which timesyncd touches whenever a server has told the time."""
    if any(unit.name == UNIT and unit.state == "skipped" for unit in units):
        return Check(name="clock", text="the host's")
    try:
        when = mark.stat().st_mtime
    except OSError:
        text = "no server has told the time since the boot: timedatectl timesync-status"
        return Check(
            name="clock",
            text="not synchronised",
            warnings=(Problem("clock", text),),
            figures=(Figure(name="clock_synchronized", value=0),),
        )
    is_fresh = now - when <= _STALE_SECONDS
    text = f"no server has told the time for {duration(now - when)}: timedatectl timesync-status"
    return Check(
        name="clock",
        text=f"told by a server {duration(now - when)} ago",
        warnings=() if is_fresh else (Problem("clock", text),),
        figures=(Figure(name="clock_synchronized", value=is_fresh),),
    )
