"""Each room's own checkers look at the configured root, on an overlay that is thrown away.

The image is made of it meanwhile; a finished build has passed them all.
"""

from __future__ import annotations

import concurrent.futures
import os
import shlex
import shutil
from typing import TYPE_CHECKING

from postolka import trees
from postolka.errors import Problem, ProblemsError
from postolka.layers.context import PASSING_UPPER, names, writable
from postolka.run import run
from postolka.store import digest
from pyinfra_deploys import server

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from postolka.layers.context import Context
    from pyinfra_deploys.room import Room

#: Raised when this module finds another result from the same inputs.
FORMAT = 1
#: How a room's checks that are passed are called in the store: this, and the room's name.
CHECK = "check-"
_TAIL_LINES = 10


def checked(context: Context, upper: Path, lower: Sequence[Path]) -> Path:
    """Return `upper` once each room's checkers like it on the trees `lower`, highest first.

    Of `upper` they see what their room says they read, and nothing else. What they have liked isn't
    checked again: that is an empty store path of its own, for each room.

    Raises ProblemsError with every file that a daemon's checker doesn't like.
    """
    rooms = server.present(context.settings)
    checks = [_Check(context, room, upper, lower) for room in rooms if room.checks]
    missing = [check for check in checks if not check.is_passed]
    if missing:
        whose = ", ".join(check.room.name for check in missing)
        context.progress(f"checking the files of {whose}")
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        problems = [problem for found in pool.map(_Check.problems, missing) for problem in found]
    if problems:
        raise ProblemsError("checks of the configured root", problems)
    return upper


class _Check:
    """The checks of one room."""

    def __init__(self, context: Context, room: Room, upper: Path, lower: Sequence[Path]) -> None:
        self.room = room
        self._context, self._upper, self._lower = context, upper, lower
        self._seen = [path.lstrip("/") for path in room.reads if os.path.lexists(f"{upper}{path}")]
        seen = [trees.entries(upper / path) for path in self._seen]
        self._name = f"{CHECK}{room.name}"
        self._key = digest([CHECK, FORMAT, room.checks, self._seen, seen, names(lower)])

    @property
    def is_passed(self) -> bool:
        """Whether the store knows it."""
        return self._context.store.get(self._name, self._key) is not None

    def problems(self) -> Sequence[Problem]:
        """Return what the checkers don't like; where that is nothing, the store knows it then."""
        try:
            self._context.store.realise(self._name, self._key, self._make)
        except ProblemsError as error:
            return error.problems
        return ()

    def _make(self, out: Path) -> None:
        seen = out / "seen"
        seen.mkdir(parents=True)
        if self._seen:
            run(["cp", "--archive", "--parents", *self._seen, str(seen)], cwd=self._upper)
        with writable(self._context, [seen, *self._lower], out / "upper", PASSING_UPPER) as root:
            problems = list(_problems(root, self.room))
        if problems:
            raise ProblemsError(self.room.name, problems)
        shutil.rmtree(out / "upper")
        shutil.rmtree(seen)


def _problems(root: Path, room: Room) -> Iterator[Problem]:
    from pyinfra_deploys.connectors.rootfs import Root  # noqa: PLC0415 - imports pyinfra

    for argv in room.checks:
        done = Root(root).run(argv)
        if done.returncode:
            lines = (done.stdout + done.stderr).decode(errors="replace").splitlines()
            said = "".join(f"\n    | {line}" for line in lines[-_TAIL_LINES:])
            text = f"exit status {done.returncode}: {shlex.join(argv)[:500]}{said}"
            yield Problem(room.name, text)
