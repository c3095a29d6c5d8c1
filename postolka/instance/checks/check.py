"""What looking at one thing came to. Pure: no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from postolka.errors import Problem

MINUTE_SECONDS = 60
HOUR_SECONDS = 3600
DAY_SECONDS = 86400


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A number, for a monitoring system."""

    name: str
    """As `postolka.instance.metrics` explains it."""
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    name: str
    """At most nine characters: status has it at the begin of a line."""
    text: str
    """How it is, in a line."""
    problems: tuple[Problem, ...] = ()
    """What keeps the server from its work."""
    warnings: tuple[Problem, ...] = ()
    """What isn't as it should be, and keeps it from nothing yet."""
    figures: tuple[Figure, ...] = ()

    def as_data(self) -> dict[str, Any]:
        """Return plain data, ready for JSON; the problems are told with all others."""
        return {
            "name": self.name,
            "text": self.text,
            "figures": [
                {"name": item.name, "labels": dict(item.labels), "value": item.value}
                for item in self.figures
            ],
        }


def duration(seconds: float) -> str:
    """Return a time as people say it, in its largest unit."""
    units = ((DAY_SECONDS, "days"), (HOUR_SECONDS, "h"), (MINUTE_SECONDS, "min"))
    for size, name in units:
        if seconds >= 2 * size:
            return f"{int(seconds / size)} {name}"
    return f"{int(max(seconds, 0))} s"


def count(number: int, noun: str) -> str:
    """Return a number with its noun, "no" for 0."""
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"
