"""A copy of the checkout that a test or a measurement may change."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from postolka import derivation, home, lock

if TYPE_CHECKING:
    from pathlib import Path

    from postolka.lock import Lock


def locked() -> Lock:
    """Return the lock by which this checkout was built."""
    standing_in = derivation.temporary_lock(home.CHECKOUT)
    path = standing_in if standing_in.exists() else home.CHECKOUT / derivation.LOCK
    return lock.parse(path.read_text())


def copy(directory: Path, by: Lock) -> Path:
    """Copy all that an image is made of into `directory`, with `by` as its lock."""
    directory.mkdir()
    for name in ("postolka", "pyinfra_deploys", "cloud-init", "group_data"):
        shutil.copytree(
            home.CHECKOUT / name,
            directory / name,
            symlinks=True,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    (directory / derivation.LOCK).write_text(lock.serialise(by))
    return directory
