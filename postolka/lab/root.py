"""The root of the lab's programs, from locked packages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from postolka import home, lock, tools
from postolka.debs import Debs
from postolka.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from postolka.tools import Tools

_SET = "lab"


def realise(progress: Callable[[str], None]) -> Tools:
    """Return the lab's root, made if it isn't in the store."""
    path = home.CHECKOUT / "postolka.lock"
    locked = lock.parse(path.read_text(encoding="ascii"), where=path.name)
    return tools.realise(locked, _SET, Store(home.store()), Debs(home.debs()), progress)
