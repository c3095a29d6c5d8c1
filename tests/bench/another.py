"""A package list with one name more, for those who measure what that costs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from postolka import derivation, lock

if TYPE_CHECKING:
    from pathlib import Path

    from postolka.lock import Lock

#: Locked for the tools, not in an image, and all that it depends on is (libc6): nothing has to be
#: resolved or fetched for it.
NAME = "mtools"
_SETS = ("image", "mkosi-image")
#: The room that gets it.
_ROOM = "pyinfra_deploys/tools/__init__.py"


def added(locked: Lock) -> Lock:
    """Return the lock as if an image wanted the package, too. Pure."""
    packages = (
        replace(package, sets=tuple(sorted({*package.sets, *_SETS}, key=lock.SETS.index)))
        if package.name == NAME
        else package
        for package in locked.packages
    )
    wanted = {name: (*locked.wanted[name], NAME) for name in _SETS}
    return replace(locked, wanted={**locked.wanted, **wanted}, packages=tuple(packages))


def write(checkout: Path, locked: Lock) -> None:
    """Have a room of the checkout name the package, and `locked`, which has it, be its lock."""
    with (checkout / _ROOM).open("a", encoding="utf-8") as room:
        room.write(f"\nPACKAGES = (*PACKAGES, {NAME!r})\n")
    (checkout / derivation.LOCK).write_text(lock.serialise(locked), encoding="utf-8")
