"""Which data an instance runs on: what the platform gave at this boot, or the last good ones.

Pure: no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from postolka.errors import Problem, ProblemsError
from postolka.instance.document import CONTENT_TYPE
from postolka.instance.parse import parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from postolka.instance.model import Instance

#: good: the platform's data; kept: it gave none, the last good ones; refused: it gave bad ones;
#: older: it gave older ones than the machine has; missing: there never were good ones;
#: applied: a command on the machine did, since it booted.
Verdict = Literal["good", "kept", "refused", "older", "missing", "applied"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One copy of good data."""

    data: bytes
    instance: Instance
    verdict: Verdict
    """What it means for the instance if this copy is used."""
    is_new: bool
    """It isn't what the machine keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The copies to try, best first, and what was wrong with those that aren't among them."""

    candidates: tuple[Candidate, ...]
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    """What is to be told, and keeps nothing from being good."""
    verdict: Verdict
    """What it means for the instance if no copy can be used."""


def choose(incoming: Sequence[bytes], kept: bytes | None) -> Choice:
    """Judge the parts that the platform gave, and the machine's own copy.

    The machine's copy wins over one with a lower serial. With equal serials the platform's wins: a
    change that somebody made and forgot to number is still a change.
    """
    problems: list[Problem] = []
    warnings: list[Problem] = []
    found = _good(incoming[0], problems) if len(incoming) == 1 else None
    if len(incoming) > 1:
        text = f"has {len(incoming)} different parts of type {CONTENT_TYPE}; one is wanted"
        problems.append(Problem("user-data", text))
    own_problems: list[Problem] = []
    own = _good(kept, own_problems) if kept is not None else None
    if own is None:
        # The machine's own copy is told about only where nothing better is there.
        problems += [] if found else own_problems
    elif found and found.serial < own.serial:
        given = found.serial or "none"
        text = f"{given} is older than {own.serial}, which the machine has and goes on using"
        warnings.append(Problem("serial", text))
    fallback = _fallback(found, own, is_given=bool(incoming))
    candidates = []
    if found and not (own and found.serial < own.serial):
        is_new = incoming[0] != kept
        candidates.append(
            Candidate(data=incoming[0], instance=found, verdict="good", is_new=is_new)
        )
    if own and kept is not None and not (candidates and not candidates[0].is_new):
        candidates.append(Candidate(data=kept, instance=own, verdict=fallback, is_new=False))
    if not candidates and not problems:
        text = f"the platform gave none: user-data have no part of type {CONTENT_TYPE}"
        problems.append(Problem("user-data", text))
    verdict: Verdict = "refused" if incoming else "missing"
    return Choice(
        candidates=tuple(candidates),
        problems=tuple(sorted(problems)),
        warnings=tuple(warnings),
        verdict=verdict,
    )


def _fallback(found: Instance | None, own: Instance | None, *, is_given: bool) -> Verdict:
    """Say what it means to run on the machine's own copy."""
    if not is_given:
        return "kept"
    return "older" if found and own and found.serial < own.serial else "refused"


def _good(data: bytes, problems: list[Problem]) -> Instance | None:
    try:
        return parse(data)
    except ProblemsError as error:
        problems += error.problems
        return None
