"""The configured root: what the rooms' deploys change in the packages' root.

A store path with the directory `upper`, an overlay's upper side. pyinfra works on the overlay; then
each daemon's own checker looks at the result, on an overlay of its own, so that what a checker
leaves behind isn't part of the image.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from postolka import deployer
from postolka.errors import Problem, ProblemsError
from postolka.layers import clean
from postolka.layers.context import writable
from postolka.store import digest
from pyinfra_deploys import server

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from postolka.layers.context import Context
    from pyinfra_deploys.room import Room

#: Raised when this module makes another result from the same inputs.
FORMAT = 3
_TAIL_LINES = 10


def configured(context: Context, lower: Sequence[Path]) -> Path:
    """Return the layer's store path, made on the trees `lower`, highest first.

    Raises PostolkaError with the operation that failed, and ProblemsError with every file that a
    daemon's checker doesn't like.
    """
    rooms = server.all_rooms()

    def make(out: Path) -> None:
        context.progress("configuring the root")
        out.mkdir()
        upper = out / "upper"
        with writable(context, lower, upper) as root:
            deployer.apply(root, context.log, server.server, context.settings)
        _check(context, rooms, [upper, *lower])
        clean.upper(upper, context.lock.source_date_epoch)

    checks = [room.checks for room in rooms]
    below = [str(path.parent.name) for path in lower]
    key = digest(["configured", FORMAT, context.plan, checks, below])
    return context.store.realise("configured", key, make)


def _check(context: Context, rooms: Sequence[Room], trees: Sequence[Path]) -> None:
    scratch = context.work / "checks"
    scratch.mkdir()
    with writable(context, trees, scratch / "upper") as root:
        problems = list(_problems(root, rooms))
    if problems:
        raise ProblemsError("checks of the configured root", problems)


def _problems(root: Path, rooms: Sequence[Room]) -> Iterator[Problem]:
    from pyinfra_deploys.connectors.rootfs import Root  # noqa: PLC0415 - imports pyinfra

    for room in rooms:
        for argv in room.checks:
            done = Root(root).run(argv)
            if done.returncode:
                lines = (done.stdout + done.stderr).decode(errors="replace").splitlines()
                said = "".join(f"\n    | {line}" for line in lines[-_TAIL_LINES:])
                text = f"exit status {done.returncode}: {shlex.join(argv)[:500]}{said}"
                yield Problem(room.name, text)
