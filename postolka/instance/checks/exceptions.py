"""The operator's exceptions: how many hold, and which have ended and can go. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from postolka.errors import Problem
from postolka.instance.checks.check import Check

if TYPE_CHECKING:
    from datetime import date

    from postolka.instance.model import Instance


def check(instance: Instance, today: date) -> Check:
    """Count them by the day."""
    found = instance.exceptions.all
    ended = [item for item in found if item.until < today]
    return Check(
        name="exception",
        text=f"{len(found) - len(ended) or 'none'} in force, {len(ended) or 'none'} ended",
        warnings=tuple(
            Problem(item.subject, f"its exception ended on {item.until} ({item.reason})")
            for item in ended
        ),
    )
