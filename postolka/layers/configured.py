"""The configured root: what the rooms' deploys change in the packages' root.

A store path with the directory `upper`, an overlay's upper side. pyinfra works on the overlay; then
each daemon's own checker looks at the result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from postolka import deployer
from postolka.layers import clean
from postolka.layers.context import writable
from postolka.run import run
from postolka.store import digest
from pyinfra_deploys import server

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from postolka.layers.context import Context

#: Raised when this module makes another result from the same inputs.
FORMAT = 1


def configured(context: Context, lower: Sequence[Path]) -> Path:
    """Return the layer's store path, made on the trees `lower`, highest first.

    Raises PostolkaError with the operation that failed, and CommandError for a check.
    """

    def make(out: Path) -> None:
        context.progress("configuring the root")
        out.mkdir()
        upper = out / "upper"
        with writable(context, lower, upper) as root:
            deployer.apply(root, context.log, server.server, context.settings)
            for room in server.all_rooms():
                for check in room.checks:
                    _check(root, check, context.log)
        clean.clamp(upper, context.lock.source_date_epoch)

    key = digest(["configured", FORMAT, context.plan, [str(path.parent.name) for path in lower]])
    return context.store.realise("configured", key, make)


def _check(root: Path, argv: Sequence[str], log: Path) -> None:
    """Run a daemon's checker in the root, with neither network nor another process in sight."""
    enter = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--uts", "--ipc", "--net"]
    run([*enter, f"--root={root}", "--mount-proc", "--", *argv], log=log)
