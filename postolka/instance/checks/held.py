"""What waits for the operator: mail in the quarantine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from postolka.instance import quarantine
from postolka.instance.checks.check import Check, Figure, count

if TYPE_CHECKING:
    from postolka.instance.paths import Paths

_KINDS = ("banned", "spam", "unchecked", "virus")


def check(paths: Paths) -> Check:
    """Count it by its kind."""
    kinds = quarantine.kinds(paths)
    where = ", ".join(f"{kinds[kind]} {kind}" for kind in _KINDS if kinds[kind])
    text = f"{count(kinds.total(), 'mail')} in the quarantine"
    return Check(
        name="held",
        text=f"{text} ({where})" if where else text,
        figures=tuple(
            Figure(name="quarantine_mails", value=kinds[kind], labels={"kind": kind})
            for kind in _KINDS
        ),
    )
