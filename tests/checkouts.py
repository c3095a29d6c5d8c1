"""A copy of the checkout that a test or a measurement may change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from postolka import derivation, home, lock, rebuild, tools
from postolka.debs import Debs
from postolka.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from postolka.lock import Lock


def locked() -> Lock:
    """Return the lock by which this checkout was built."""
    standing_in = derivation.temporary_lock(home.CHECKOUT)
    path = standing_in if standing_in.exists() else home.CHECKOUT / derivation.LOCK
    return lock.parse(path.read_text())


def unpacked(name: str) -> tools.Tools:
    """Return a set of that lock's programs as a root, unpacked if the store hasn't got it."""
    return tools.realise(locked(), name, Store(home.store()), Debs(home.debs()), print)


def copy(directory: Path, by: Lock, settings: Mapping[str, object] | None = None) -> Path:
    """Copy all that an image is made of into `directory`, with `by` as its lock.

    With `settings`, as group_data names them, they take the place of the checkout's own.
    """
    rebuild.copy(home.CHECKOUT, directory)
    (directory / derivation.LOCK).write_text(lock.serialise(by))
    if settings is not None:
        lines = (f"{name} = {value!r}\n" for name, value in settings.items())
        (directory / derivation.GROUP_DATA / "all.py").write_text("".join(lines))
    return directory
