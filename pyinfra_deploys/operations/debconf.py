"""Answers to the questions of package scripts, given before the package comes in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra.api.command import StringCommand
from pyinfra.api.exceptions import OperationError
from pyinfra.api.operation import operation
from pyinfra.context import host

from pyinfra_deploys.facts.debconf import Debconf

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

#: The last one, the value, may be empty.
_WORDS = 4


@operation()
def answered(lines: Sequence[str]) -> Generator[StringCommand, None, None]:
    """Have debconf hold the answers in `lines`, each PACKAGE QUESTION TYPE [VALUE].

    Raises OperationError for a line that hasn't these words.
    """
    answers = {}
    for line in lines:
        words = line.split(maxsplit=_WORDS - 1)
        if len(words) not in {_WORDS - 1, _WORDS}:
            raise OperationError(f"not PACKAGE QUESTION TYPE [VALUE]: {line}")
        answers[words[1]] = (line, " ".join(words[3:]))
    if not answers:
        return
    found = host.get_fact(Debconf, questions=sorted(answers))
    wrong = [line for question, (line, value) in answers.items() if found.get(question) != value]
    if wrong:
        yield StringCommand("debconf-set-selections", _stdin="\n".join(wrong))
