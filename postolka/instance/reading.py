"""Readers for `parse`: each takes a node of a document and returns a value of the model.

Pure: no I/O.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from postolka.instance.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from postolka.instance.node import Node

    Readers = Mapping[str, Callable[[Node], object]]
    Check = Callable[[str], str | None]

_T = TypeVar("_T")


def record(
    node: Node, kind: Callable[..., _T], required: Readers, optional: Readers | None = None
) -> _T | None:
    """Read a mapping of known fields into `kind`; None where it can't even be built."""
    readers = {**required, **(optional or {})}
    fields = node.fields(required, optional or ())
    values = {name: readers[name](child) for name, child in fields.items()}
    complete = all(values.get(name) is not None for name in required)
    return kind(**values) if complete else None


def each(node: Node, read: Callable[[Node], _T | None]) -> tuple[_T, ...]:
    """Read a list, each element by `read`."""
    return tuple(item for item in map(read, node.items()) if item is not None)


def text(check: Check) -> Callable[[Node], str]:
    """Return a reader of a text that `check` has nothing against."""
    return lambda node: node.text(check)


def secret(check: Check) -> Callable[[Node], Secret]:
    """Return a reader of a text that is never quoted."""
    return lambda node: Secret(node.text(check, is_secret=True))


def texts(check: Check) -> Callable[[Node], tuple[str, ...]]:
    """Return a reader of a list of texts."""
    return lambda node: each(node, text(check))


def whole(low: int, high: int) -> Callable[[Node], int]:
    """Return a reader of a whole number from `low` to `high`."""
    return lambda node: node.whole(low, high)
