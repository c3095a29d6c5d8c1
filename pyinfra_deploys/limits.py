"""What a setting may be, as its field says it. Pure: no I/O."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def whole(default: int, low: int, high: int) -> Any:  # noqa: ANN401 - dataclasses.field is Any
    """Return a field for a whole number from `low` to `high`."""
    return field(default=default, metadata={"range": (low, high)})


def number(default: float, low: float, high: float) -> Any:  # noqa: ANN401 - as above
    """Return a field for a number from `low` to `high`."""
    return field(default=default, metadata={"range": (low, high)})


def choice(default: str, *others: str) -> Any:  # noqa: ANN401 - as above
    """Return a field for one of some texts."""
    return field(default=default, metadata={"choices": (default, *others)})


def problem(value: object, kind: type, metadata: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a value for such a field; None: nothing."""
    is_whole = kind is float and type(value) is int
    if type(value) is not kind and not is_whole:
        return f"must be {kind.__name__}, not {type(value).__name__}"
    low, high = metadata.get("range", (None, None))
    if low is not None and isinstance(value, int | float) and not low <= value <= high:
        return f"must be {low} to {high}, not {value}"
    choices = metadata.get("choices", (value,))
    if value not in choices:
        return f"must be one of {', '.join(choices)}, not {value}"
    return None
