"""Whether an authority can prove a name: it has to lead here, and its CAA records to allow it.

Asked before an order, because authorities count failures, and one name fails the order of all.
Pure but for what it is given to ask with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from postolka.errors import PostolkaError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from postolka.instance.model import Instance
    from postolka.live import Lookup


def astray(instance: Instance, names: Iterable[str], ask: Lookup) -> dict[str, str]:
    """Return what an authority would have against each of `names` that it can't prove.

    Where the data name no address (DHCP, a router in between), those of the host's name count.
    """
    here = frozenset(instance.addresses)
    found: dict[str, str] = {}
    for name in names:
        try:
            here = here or _addresses(instance.hostname, ask)
            problem = "" if instance.acme.dns else _address_problem(name, here, ask)
            problem = problem or _caa_problem(name, instance.acme.issuer, ask)
        except PostolkaError as error:
            problem = f"{error.where}: {error.problem}"
        if problem:
            found[name] = problem
    return found


def _addresses(name: str, ask: Lookup) -> frozenset[str]:
    found: set[str] = set()
    for kind in ("A", "AAAA"):
        answer = ask(f"{name}.", kind)
        if answer.failure:
            raise PostolkaError(f"{name} {kind}", answer.failure)
        found |= set(answer.values)
    return frozenset(found)


def _address_problem(name: str, here: Collection[str], ask: Lookup) -> str:
    found = _addresses(name, ask)
    if not found:
        return "has no address in the DNS"
    # The authority takes any of them.
    away = sorted(found - set(here))
    return f"leads to {', '.join(away)}" if away else ""


def _caa_problem(name: str, issuer: str, ask: Lookup) -> str:
    """Look at the first CAA records from `name` upwards (RFC 8659, 3)."""
    labels = name.split(".")
    for start in range(len(labels) - 1):
        at = ".".join(labels[start:])
        answer = ask(f"{at}.", "CAA")
        if answer.failure:
            raise PostolkaError(f"{at} CAA", answer.failure)
        allowed = [_issuer(value) for value in answer.values if value.split()[1:2] == ["issue"]]
        if allowed:
            others = ", ".join(item or "nobody" for item in allowed)
            return "" if issuer in allowed else f"{at} has a CAA record for {others} alone"
        if answer.values:
            return ""
    return ""


def _issuer(value: str) -> str:
    """Return whom a record such as `0 issue "ca.example; account=5"` allows (RFC 8659, 4.2)."""
    return value.split(None, 2)[2].strip('"').partition(";")[0].strip()
