"""What can go wrong, in the one form the user sees.

    PostolkaError          where: what is wrong, and a hint with the next command
    └── ProblemsError      several problems found by one validation, all at once

Shipped in the image with `postolka.instance`. Pure: no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class PostolkaError(Exception):
    """A failure that the user can act on; printed without a traceback, exit code 1."""

    def __init__(self, where: str, problem: str, *, hint: str | None = None) -> None:
        super().__init__(where, problem, hint)
        self.where = where
        self.problem = problem
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.where}: {self.problem}"
        return f"{text}\nhint: {self.hint}" if self.hint else text


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong with a piece of data, at a path such as `domains[0].name`."""

    path: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}: {self.text}"


class ProblemsError(PostolkaError):
    """Every problem of one document, sorted by path."""

    def __init__(self, where: str, problems: Iterable[Problem], *, hint: str | None = None) -> None:
        self.problems = tuple(sorted(problems))
        count = len(self.problems)
        noun = "problem" if count == 1 else "problems"
        lines = "".join(f"\n  {problem}" for problem in self.problems)
        super().__init__(where, f"{count} {noun}{lines}", hint=hint)
