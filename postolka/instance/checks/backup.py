"""Whether there is a backup, and how old the last one is. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from postolka.errors import Problem
from postolka.instance.checks.check import DAY_SECONDS, Check, Figure, duration, size

if TYPE_CHECKING:
    from postolka.instance.backups.outcome import Outcome
    from postolka.instance.model import Instance

_NAME = "backup"
_UNIT = "postolka-backup.service"
#: It is made every day, at some time of the night.
_STALE_SECONDS = 1.5 * DAY_SECONDS


def check(instance: Instance, found: Outcome, problem_days: int, now: float) -> Check:
    """Judge by what the last one left."""
    if not instance.backup or not instance.backup.repository:
        text = "nowhere: name a place in the instance's data (docs/backup.md)"
        return Check(name=_NAME, text="none is made", warnings=(Problem(_NAME, text),))
    problems: list[Problem] = []
    warnings: list[Problem] = []
    said = _said(found, now)
    if said:
        since = found.succeeded or found.began
        is_red = found.needs_operator or now - since > problem_days * DAY_SECONDS
        (problems if is_red else warnings).append(Problem(_NAME, said))
    if found.unread:
        warnings.append(Problem(_NAME, f"the last is without {found.unread}"))
    if found.damage:
        problems.append(Problem(_NAME, f"the repository is damaged: {found.damage}"))
    return Check(
        name=_NAME,
        text=_text(found, now),
        problems=tuple(problems),
        warnings=tuple(warnings),
        figures=(Figure(name="backup_timestamp_seconds", value=found.succeeded),),
    )


def _said(found: Outcome, now: float) -> str:
    if found.problem:
        last = (
            f"the last is {duration(now - found.succeeded)} old" if found.succeeded else "none yet"
        )
        return f"{found.problem} ({last}): journalctl -u {_UNIT}"
    if found.succeeded and now - found.succeeded > _STALE_SECONDS:
        return f"the last is {duration(now - found.succeeded)} old: journalctl -u {_UNIT}"
    return ""


def _text(found: Outcome, now: float) -> str:
    if not found.succeeded:
        return "none yet: sudo postolka-instance backup"
    ago = duration(now - found.succeeded)
    return f"{found.snapshot} of {ago} ago, {size(found.bytes)}"
