"""What looking at one thing came to. Pure: no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from postolka.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MINUTE_SECONDS = 60
HOUR_SECONDS = 3600
DAY_SECONDS = 86400
_UNIT = 1024


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

    def whole(self) -> dict[str, Any]:
        """Return everything as plain data, for `load`."""
        return {
            **self.as_data(),
            "problems": [[item.path, item.text] for item in self.problems],
            "warnings": [[item.path, item.text] for item in self.warnings],
        }


def load(data: Mapping[str, Any]) -> Check:
    """Return what `whole` made plain; as another wrote it, without what steers a terminal.

    Raises ValueError, KeyError or TypeError for what is none.
    """
    return Check(
        name=_printable(data["name"]),
        text=_printable(data["text"]),
        problems=_problems(data["problems"]),
        warnings=_problems(data["warnings"]),
        figures=tuple(
            Figure(
                name=_printable(item["name"]),
                value=float(item["value"]),
                labels={_printable(k): _printable(v) for k, v in item["labels"].items()},
            )
            for item in data["figures"]
        ),
    )


def _problems(items: Iterable[Sequence[str]]) -> tuple[Problem, ...]:
    return tuple(Problem(_printable(path), _printable(text)) for path, text in items)


def _printable(text: object) -> str:
    return "".join(item if item.isprintable() else "?" for item in str(text))


def duration(seconds: float) -> str:
    """Return a time as people say it, in its largest unit."""
    units = ((DAY_SECONDS, "days"), (HOUR_SECONDS, "h"), (MINUTE_SECONDS, "min"))
    for size, name in units:
        if seconds >= 2 * size:
            return f"{int(seconds / size)} {name}"
    return f"{int(max(seconds, 0))} s"


def size(number: float) -> str:
    """Return bytes as people say them, in a unit in which they are at least one."""
    for unit in ("B", "KiB", "MiB"):
        if number < _UNIT:
            return f"{number:.0f} {unit}"
        number /= _UNIT
    return f"{number:.1f} GiB"


def count(number: int, noun: str) -> str:
    """Return a number with its noun, "no" for 0."""
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"
