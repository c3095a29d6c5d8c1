"""Reads untyped data step by step and notes every problem with its path, instead of stopping.

A reading that fails returns a harmless value of the right type, so that the rest of the document is
still looked at. The caller must refuse the result when there are problems. Pure: no I/O.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from postolka.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHOWN_CHARACTERS = 60
_NAMES = {
    dict: "a mapping",
    list: "a list",
    str: "a text",
    int: "a whole number",
    bool: "a boolean",
}


@dataclass(frozen=True, slots=True)
class Node:
    """One value of a document, where it stands, and the list that takes its problems."""

    value: object
    path: str
    problems: list[Problem]

    def complain(self, text: str) -> None:
        """Note a problem at this path."""
        self.problems.append(Problem(self.path or "document", text))

    def fields(self, required: Iterable[str], optional: Iterable[str] = ()) -> dict[str, Node]:
        """Return the children by name; note what is missing and what nobody knows."""
        if not isinstance(self.value, dict):
            self._wrong_type("a mapping")
            return {}
        required, optional = tuple(required), tuple(optional)
        found = {}
        for name, value in self.value.items():
            child = self._child(name, value)
            if name in required or name in optional:
                found[str(name)] = child
            else:
                child.complain("no such field")
        for name in required:
            if name not in found:
                self._child(name, None).complain("is missing")
        return found

    def entries(self) -> list[tuple[str, Node]]:
        """Return the entries of a mapping whose names are data."""
        if not isinstance(self.value, dict):
            self._wrong_type("a mapping")
            return []
        found = []
        for name, value in self.value.items():
            child = self._child(name, value)
            if isinstance(name, str):
                found.append((name, child))
            else:
                child.complain(f"its name must be a text, not {_kind(name)}")
        return found

    def items(self) -> list[Node]:
        """Return the elements of a list."""
        if not isinstance(self.value, list):
            self._wrong_type("a list")
            return []
        return [
            Node(value, f"{self.path}[{index}]", self.problems)
            for index, value in enumerate(self.value)
        ]

    def below(self, name: str) -> Node:
        """Return the child of that name, of value None where there is none; notes no problem."""
        value = self.value.get(name) if isinstance(self.value, dict) else None
        return self._child(name, value)

    def items_if_any(self) -> list[Node]:
        """Return the elements of a list, none of anything else; notes no problem."""
        return self.items() if isinstance(self.value, list) else []

    def text(self, check: Callable[[str], str | None], *, is_secret: bool = False) -> str:
        """Return a text for which `check` has nothing to say; a secret one is never quoted."""
        if not isinstance(self.value, str):
            self._wrong_type("a text")
            return ""
        problem = check(self.value)
        if problem:
            self.complain(problem if is_secret else f"{shown(self.value)} {problem}")
            return ""
        return self.value

    def whole(self, low: int, high: int) -> int:
        """Return a whole number from `low` to `high`."""
        if type(self.value) is not int:
            self._wrong_type("a whole number")
            return low
        if not low <= self.value <= high:
            self.complain(f"must be {low} to {high}, not {self.value}")
            return low
        return self.value

    def flag(self) -> bool:
        """Return a boolean."""
        if not isinstance(self.value, bool):
            self._wrong_type("true or false")
            return False
        return self.value

    def choice(self, *names: str) -> str:
        """Return one of `names`; the first where it is none of them."""
        if self.value in names:
            return str(self.value)
        self.complain(f"{shown(self.value)} is not one of {', '.join(names)}")
        return names[0]

    def _child(self, name: object, value: object) -> Node:
        if isinstance(name, str) and _PLAIN.fullmatch(name):
            path = f"{self.path}.{name}" if self.path else name
        else:
            path = f"{self.path}[{shown(name)}]"
        return Node(value, path, self.problems)

    def _wrong_type(self, wanted: str) -> None:
        self.complain(f"must be {wanted}, not {_kind(self.value)}")


def shown(value: object) -> str:
    """Return `value` as it stands in an error: quoted, ASCII, and not longer than a line."""
    text = str(value) if isinstance(value, str) else repr(value)
    if len(text) > _SHOWN_CHARACTERS:
        text = text[:_SHOWN_CHARACTERS] + "..."
    quoted = ascii(text)[1:-1].replace('"', '\\"').replace("\\'", "'")
    return f'"{quoted}"'


def _kind(value: object) -> str:
    return "nothing" if value is None else _NAMES.get(type(value), f"a {type(value).__name__}")
