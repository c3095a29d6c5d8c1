"""The root of the lab's programs, from locked packages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from postolka import derivation, home, lock, mirrors, tools
from postolka.debs import Debs
from postolka.errors import PostolkaError, ProblemsError
from postolka.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from postolka.tools import Tools

_SET = "lab"


def realise(progress: Callable[[str], None]) -> Tools:
    """Return the lab's root, made if it isn't in the store.

    The lock is the checkout's. Where its packages have left the mirror, the temporary one is taken
    that `make demo` and `make test` resolve for the image.
    """
    paths = derivation.locks(home.CHECKOUT, temporary=True)
    if not paths:
        raise PostolkaError(derivation.LOCK, "is not there", hint=lock.REFRESH)
    try:
        return _realise(paths[0], progress)
    except ProblemsError:
        if len(paths) == 1:
            raise
        return _realise(paths[1], progress)


def _realise(path: Path, progress: Callable[[str], None]) -> Tools:
    locked = lock.parse(path.read_text(encoding="ascii"), where=path.name)
    debs = Debs(home.debs(), mirrors.snapshots(locked.suites))
    return tools.realise(locked, _SET, Store(home.store()), debs, progress)
