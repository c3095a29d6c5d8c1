"""What `postolka.lookout` found when it last looked, and how long ago that was."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from postolka.errors import Problem
from postolka.instance.checks.check import HOUR_SECONDS, Check, Figure, duration, load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: It looks every hour.
_STALE_SECONDS = 3 * HOUR_SECONDS
_UNIT = "postolka-lookout.service"


def checks(file: Path, serial: int | None, now: float) -> Iterator[Check]:
    """Yield what `file` holds. `serial` is that of the data in use: others were looked for once."""
    try:
        found = json.loads(file.read_bytes())
        known = [load(item) for item in found["checks"]]
        at, of = float(found["at"]), int(found["serial"])
    except FileNotFoundError:
        yield Check(name="lookout", text=f"hasn't looked yet: systemctl start {_UNIT}")
        return
    except (OSError, ValueError, KeyError, TypeError) as error:
        problem = Problem("lookout", f"left nothing that can be read: {type(error).__name__}")
        yield Check(name="lookout", text="unknown", warnings=(problem,))
        return
    age = now - at
    for check in known:
        yield replace(check, text=f"{check.text} ({duration(age)} ago)")
    warnings: tuple[Problem, ...] = ()
    text = f"looked {duration(age)} ago"
    if serial != of:
        text += f", with the data of serial {of}: systemctl start {_UNIT}"
    if age > _STALE_SECONDS:
        warnings = (
            Problem("lookout", f"hasn't looked for {duration(age)}: journalctl -u {_UNIT}"),
        )
    figure = Figure(name="lookout_timestamp_seconds", value=at)
    yield Check(name="lookout", text=text, warnings=warnings, figures=(figure,))
