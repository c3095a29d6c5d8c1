"""What became of the last backup, as its program leaves it and status reads it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from postolka.instance import files

if TYPE_CHECKING:
    from pathlib import Path

    from postolka.instance.paths import Paths


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """All times are seconds of the epoch; 0: never."""

    began: float = 0
    """When the first one was tried."""
    tried: float = 0
    succeeded: float = 0
    problem: str = ""
    """Why there was none at the last try; empty: there was one."""
    needs_operator: bool = False
    """It won't go away by itself."""
    snapshot: str = ""
    """Of the last that succeeded, as its sizes."""
    bytes: int = 0
    bytes_added: int = 0
    unread: str = ""
    """What couldn't be read of what it was to hold."""
    looked_after: float = 0
    """When the repository was last pruned and checked."""
    damage: str = ""
    """What a check has found."""


def load(paths: Paths) -> Outcome:
    """Return what was left; of one that can't be read nothing is known."""
    try:
        return Outcome(**json.loads(_file(paths).read_bytes()))
    except (FileNotFoundError, ValueError, TypeError):
        return Outcome()


def save(paths: Paths, outcome: Outcome) -> None:
    """Leave it."""
    content = json.dumps(asdict(outcome), indent=2).encode("ascii") + b"\n"
    files.write(_file(paths), files.File(content=content, uid=os.getuid(), gid=os.getgid()))


def clear(paths: Paths) -> None:
    """Forget it: it was of a machine that is another now."""
    _file(paths).unlink(missing_ok=True)


def _file(paths: Paths) -> Path:
    return paths.backup / "outcome.json"
