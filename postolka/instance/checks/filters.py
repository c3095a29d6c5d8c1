"""What the content filters know: how old the virus signatures and the rules against spam are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from postolka.errors import Problem
from postolka.instance.checks.check import DAY_SECONDS, Check, Figure, duration

if TYPE_CHECKING:
    from pathlib import Path

#: freshclam asks every three hours, and its makers publish every day.
_STALE_DAYS = 7
_DATABASES = (".cvd", ".cld", ".ndb", ".hdb", ".hsb", ".ldb", ".lsb", ".yar", ".yara")


def signatures(directory: Path, now: float) -> Check:
    """Judge the virus signatures in `directory`; those that the image brings don't count."""
    found = [
        path.stat().st_mtime
        for path in directory.glob("*")
        if path.suffix in _DATABASES and path.stem != "postolka"
    ]
    if not found:
        text = "missing until freshclam has fetched them: only EICAR's test file is known"
        missing = Problem("virus signatures", text)
        return Check(name="viruses", text="no signatures yet", warnings=(missing,))
    age = now - max(found)
    figure = Figure(name="signatures_timestamp_seconds", value=max(found))
    warnings: tuple[Problem, ...] = ()
    if age > _STALE_DAYS * DAY_SECONDS:
        text = f"{int(age / DAY_SECONDS)} days old: journalctl -u clamav-signatures"
        warnings = (Problem("virus signatures", text),)
    text = f"signatures of {duration(age)} ago"
    return Check(name="viruses", text=text, warnings=warnings, figures=(figure,))


def rules(mark: Path, channels: Path, now: float) -> Check:
    """Judge by `mark`, touched whenever the channels (sa-update's list) had an answer.

    Their makers publish when there is something new, which may take weeks, so it is the question
    that has an age.
    """
    if not _entries(channels):
        return Check(name="rules", text="the image's; no channel is wanted")
    try:
        when = mark.stat().st_mtime
    except OSError:
        text = "the image's, until there was an answer: journalctl -u spam-rules"
        warning = Problem("spam rules", text)
        return Check(name="rules", text="the image's", warnings=(warning,))
    warnings: tuple[Problem, ...] = ()
    if now - when > _STALE_DAYS * DAY_SECONDS:
        text = f"no answer for {int((now - when) / DAY_SECONDS)} days: journalctl -u spam-rules"
        warnings = (Problem("spam rules", text),)
    return Check(
        name="rules",
        text=f"asked for newer ones {duration(now - when)} ago",
        warnings=warnings,
        figures=(Figure(name="rules_timestamp_seconds", value=when),),
    )


def _entries(channels: Path) -> list[str]:
    if not channels.exists():
        return []
    lines = channels.read_text(encoding="ascii").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]
