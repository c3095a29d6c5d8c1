"""What the last orders came to: kept on the state partition, so that a reboot forgets no wait."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Self

from postolka.instance import files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from postolka.instance.paths import Paths


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """All of it."""

    is_on: bool = True
    """Whether an authority is to vouch for this server."""
    failures: int = 0
    """In a row."""
    error: str = ""
    """What the authority, or the way to it, had against the last order; empty: nothing."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """Names that weren't ordered, and why."""
    refused: Mapping[str, float] = field(default_factory=dict)
    """Names that the authority couldn't prove, and when that was."""
    next: float = 0
    """From when on there may be something to do."""

    @classmethod
    def load(cls, paths: Paths) -> Self:
        """Return what is kept; nothing where that can't be read."""
        try:
            data = json.loads(paths.acme_record.read_bytes())
            return cls(
                is_on=bool(data["is_on"]),
                failures=int(data["failures"]),
                error=str(data["error"]),
                missing={str(name): str(why) for name, why in data["missing"].items()},
                refused={str(name): float(at) for name, at in data["refused"].items()},
                next=float(data["next"]),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return cls(is_on=False)

    def save(self, paths: Paths) -> None:
        """Keep it; the unit's own condition reads the time of the next look alone."""
        content = json.dumps(asdict(self), indent=1).encode("ascii") + b"\n"
        for path, text in (
            (paths.acme_record, content),
            (paths.acme_next, b"%d\n" % self.next),
        ):
            files.write(
                path,
                files.File(content=text, mode=0o644, uid=os.getuid(), gid=os.getgid()),
                is_durable=True,
            )
