"""What was measured, as a table and as plain data. Pure: no I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """At most so much: of the unit, as a part of the yardstick, or as a part of another figure."""

    most: float
    of: Literal["value", "ratio"] | Figure = "value"

    def __str__(self) -> str:
        if isinstance(self.of, Figure):
            return f"{self.most:.2f} of {self.of.name}"
        return f"{self.most:.2f} x" if self.of == "ratio" else f"{self.most:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table."""

    name: str
    """Key of the plain data."""
    label: str
    value: float
    unit: Literal["s", "MiB", "/s"] = "s"
    cpu_seconds: float | None = None
    """None where the work isn't done by children of this process."""
    yardstick: float | None = None
    """What `value` is set in relation to; None: nothing."""
    goal: Goal | None = None

    @property
    def ratio(self) -> float | None:
        """The value as a part of the yardstick."""
        return self.value / self.yardstick if self.yardstick else None

    @property
    def judged(self) -> float | None:
        """What the goal is a limit of: the value, or its part of something; None: there is none."""
        if self.goal is None:
            return None
        if isinstance(self.goal.of, Figure):
            return self.value / self.goal.of.value
        return self.ratio if self.goal.of == "ratio" else self.value

    @property
    def is_reached(self) -> bool | None:
        """Whether the goal is reached; None: there is none."""
        judged = self.judged
        return None if self.goal is None or judged is None else judged <= self.goal.most

    def as_data(self) -> dict[str, Any]:
        """Return the figure for JSON."""
        return {
            "name": self.name,
            "value": round(self.value, 3),
            "unit": self.unit,
            "cpu_seconds": None if self.cpu_seconds is None else round(self.cpu_seconds, 3),
            "ratio": None if self.ratio is None else round(self.ratio, 4),
            "goal": str(self.goal) if self.goal else None,
            "judged": None if self.judged is None else round(self.judged, 4),
            "is_reached": self.is_reached,
        }


def table(figures: Sequence[Figure]) -> str:
    """Return the figures as lines of text with a heading."""
    rows = [("", "measured", "CPU", "ratio", "goal", ""), *map(_row, figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    lines = []
    for label, *cells in rows:
        right = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
        lines.append("  ".join([label.ljust(widths[0]), *right]).rstrip())
    return "\n".join(lines)


def _row(figure: Figure) -> tuple[str, str, str, str, str, str]:
    digits = 0 if figure.unit == "MiB" else 2 if figure.value < 10 else 1
    verdict = {None: "", True: "reached", False: "missed"}[figure.is_reached]
    if figure.goal and isinstance(figure.goal.of, Figure):
        # The column of ratios has another one.
        verdict += f", {figure.judged:.2f}"
    return (
        figure.label,
        f"{figure.value:.{digits}f} {figure.unit}",
        "" if figure.cpu_seconds is None else f"{figure.cpu_seconds:.1f} s",
        "" if figure.ratio is None else f"{figure.ratio:.3f} x",
        f"{figure.goal}" if figure.goal else "",
        verdict,
    )
