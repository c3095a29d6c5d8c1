"""Who is shut out for too many wrong passwords."""

from __future__ import annotations

from postolka.errors import PostolkaError, Problem
from postolka.instance import jail
from postolka.instance.checks.check import Check, Figure, count


def check() -> Check:
    """Count the bans that the firewall has; that fail2ban runs is the units' affair."""
    try:
        number = len(jail.banned())
    except PostolkaError as error:
        missing = Problem("bans", f"the firewall has no place for them: {error.problem}")
        return Check(name="bans", text="unknown", problems=(missing,))
    return Check(
        name="bans",
        text=f"{count(number, 'client')} shut out for wrong passwords",
        figures=(Figure(name="bans", value=number),),
    )
