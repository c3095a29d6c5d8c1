"""Whether the mail of each domain is signed: one made in PostfixAdmin has no keys yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from postolka.errors import PostolkaError, Problem
from postolka.instance.checks.check import Check, count
from postolka.instance.sql import Server

if TYPE_CHECKING:
    from collections.abc import Iterable

    from postolka.instance.model import Instance
    from postolka.instance.paths import Paths

_SECONDS = 5


def check(paths: Paths, instance: Instance) -> Check:
    """Ask the database for the domains; that it doesn't answer is told by its own check."""
    try:
        found = Server(paths, instance).domains(timeout_seconds=_SECONDS)
    except PostolkaError:
        return judge(instance, ())
    return judge(instance, (name for name, takes_mail in found.items() if takes_mail))


def judge(instance: Instance, domains: Iterable[str]) -> Check:
    """Look for keys in the data of an instance that takes mail for `domains`."""
    signed = {domain.name: domain.signing_keys for domain in instance.domains}
    return Check(
        name="signing",
        text=f"{count(len(signed), 'domain')}, {count(sum(map(len, signed.values())), 'key')}",
        problems=tuple(
            Problem(f"domain {name}", f"has no DKIM keys: sudo postolka-instance domain add {name}")
            for name in domains
            if name not in signed
        ),
    )
