"""A generator's directory of a test's own, with as much of the machine's as the test wants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from postolka import home

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from postolka.debs import Debs

#: Layers that take long to make, in the order of postolka.layers.whole.
COSTLY = ("tools", "packages", "policy-base", "policy", "kernel", "initrd", "generated")


def fill(directory: Path, debs: Debs, layers: Iterable[str] = ()) -> None:
    """Link the machine's cache of packages and what its store has of `layers` into `directory`."""
    (directory / "store").mkdir(parents=True)
    (directory / "debs").symlink_to(debs.directory)
    for name in layers:
        for path in home.store().glob(f"*-{name}"):
            (directory / "store" / path.name).symlink_to(path)
