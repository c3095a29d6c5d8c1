"""What a backup holds: of the rooms' state what is precious, and where the database's dump lies.

Pure: no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Made anew by each backup, by its own user.
STATE = "/var/lib/postolka-backup"
DUMP = f"{STATE}/dump/database.sql"
#: Where what comes back is put together.
RESTORE = "/var/lib/postolka-restore"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A directory whose files are backed up."""

    path: str
    keeps: bool
    """What is there when it comes back stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What goes into a backup."""

    places: tuple[Place, ...]
    """None is below another one that comes back as it does."""
    excludes: tuple[str, ...]
    """restic's patterns."""


def plan(house: Mapping[str, Any]) -> Plan:
    """Read the rooms' STATE out of the image's manifest."""
    states = sorted(house["state"], key=lambda state: str(state["path"]))
    copied = [state for state in states if _is_copied(state)]
    others = [state["path"] for state in states if not _is_copied(state)]
    within = [path for path in others if any(_is_below(path, state["path"]) for state in copied)]
    patterns = [f"{state['path']}/{item}" for state in copied for item in state["excludes"]]
    return Plan(places=tuple(_places(copied)), excludes=(*within, *patterns))


def _is_copied(state: Mapping[str, Any]) -> bool:
    return state["kind"] == "precious" and state["restore"] in ("replace", "add")


def _places(states: Iterable[Mapping[str, Any]]) -> list[Place]:
    found: list[Place] = []
    for state in states:
        place = Place(path=state["path"], keeps=state["restore"] == "add")
        around = [item for item in found if _is_below(place.path, item.path)]
        if not around or around[-1].keeps != place.keeps:
            found.append(place)
    return found


def _is_below(path: str, other: str) -> bool:
    return PurePosixPath(other) in PurePosixPath(path).parents
