"""Whether the server is called the same both ways: its name at HELO, and its addresses' (PTR)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from postolka.errors import Problem
from postolka.instance import dns
from postolka.instance.checks.check import Check, Figure
from postolka.lookout import route

if TYPE_CHECKING:
    from postolka.live import Lookup


@dataclass(slots=True)
class Seen:
    """What others see."""

    addresses: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def addresses(hostname: str, ask: Lookup) -> Seen:
    """Return the addresses by which others know this server, one or more a family.

    That by which its mail leaves, where no router replaces it; else those that the DNS has.
    """
    seen = Seen()
    for family in route.FAMILIES:
        source = route.source(family)
        if not source:
            continue
        named = ask(f"{hostname}.", family.kind).values
        if not route.is_public(source):
            seen.addresses += named
            continue
        seen.addresses.append(source)
        if source not in named:
            text = (
                f"mail leaves by {source}, which isn't an address of {hostname}: others compare "
                "the name at HELO with it"
            )
            seen.problems.append(Problem("HELO", text))
    return seen


def check(hostname: str, seen: Seen, ask: Lookup) -> Check:
    """Look the addresses' names up."""
    warnings, figures = list(seen.problems), []
    for address in seen.addresses:
        (record,) = dns.reverse(hostname, [address])
        answer = ask(record.name, "PTR")
        is_right = record.text in answer.values
        figures.append(Figure(name="ptr_ok", value=is_right, labels={"address": address}))
        if not is_right:
            found = ", ".join(answer.values) or answer.failure or "no name"
            warnings.append(Problem("PTR", f"{address} has {found}, not {hostname}"))
    if not seen.addresses:
        warnings.append(Problem("HELO", f"no address of {hostname} is known"))
    text = f"{', '.join(seen.addresses) or 'nobody'} and {hostname}"
    return Check(
        name="names",
        text=f"{text} differ" if warnings else f"{text} name each other",
        warnings=tuple(warnings),
        figures=tuple(figures),
    )
