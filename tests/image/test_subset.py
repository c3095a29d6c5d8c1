"""The packages of an image whose settings leave a room out: what others need, of the lock's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from postolka import home, wants
from postolka.debs import Debs
from postolka.layers import subset
from postolka.store import Store
from pyinfra_deploys import server

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from postolka.lock import Lock
    from postolka.tools import Tools


def _apply(locked: Lock, names: Iterable[str], toolbox: Tools, directory: Path) -> Lock:
    store, debs = Store(directory / "store"), Debs(home.debs())
    return subset.apply(locked, names, toolbox, store=store, debs=debs, progress=print)


def test_what_only_a_room_that_is_left_out_needs_goes(
    toolbox: Tools, locked: Lock, tmp_path: Path
) -> None:
    """With its libraries; all else stays at its version, and other sets as they are."""
    rooms = [room for room in server.all_rooms() if room.name != "clamav"]
    found = _apply(locked, wants.image(rooms), toolbox, tmp_path)
    before, after = set(locked.of("image")), {package.name for package in found.of("image")}
    gone = {package.name for package in before} - after
    assert gone >= {"clamav-daemon", "clamav-freshclam", "libclamav12"}
    assert after >= {"libc6", "dpkg", "apt", "postfix", "amavisd-new"}
    versions = {(package.name, package.version) for package in before}
    assert {(package.name, package.version) for package in found.of("image")} < versions
    assert found.of("tools") == locked.of("tools")
    assert found.wanted["image"] == wants.image(rooms)


def test_whole_lock_is_used_where_nothing_is_left_out(
    toolbox: Tools, locked: Lock, tmp_path: Path
) -> None:
    """Without asking apt."""
    assert _apply(locked, locked.wanted["image"], toolbox, tmp_path) is locked
    assert not (tmp_path / "store").exists()
