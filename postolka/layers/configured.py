"""The configured root: what the rooms' deploys change in the packages' root; and its checks.

A store path with the directory `upper`, an overlay's upper side, which pyinfra works on. Each
daemon's own checker looks at the result on an overlay that is thrown away, while the image is made
of it already: that the checks are passed is a store path of its own, which a finished build has.
"""

from __future__ import annotations

import concurrent.futures
import os
import shlex
import shutil
from typing import TYPE_CHECKING

from postolka import deployer
from postolka.errors import PostolkaError, Problem, ProblemsError
from postolka.layers import clean
from postolka.layers.context import PASSING_UPPER, writable
from postolka.store import digest
from pyinfra_deploys import server
from pyinfra_deploys.deploys import LIBRARY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from postolka.layers.context import Context
    from pyinfra_deploys.room import Room

#: Raised when this module makes another result from the same inputs.
FORMAT = 5
_TAIL_LINES = 10


def configured(context: Context, lower: Sequence[Path]) -> Path:
    """Return the layer's store path, made on the trees `lower`, highest first.

    Raises PostolkaError with the operation that failed.
    """

    def make(out: Path) -> None:
        context.progress("configuring the root")
        out.mkdir()
        upper = out / "upper"
        with writable(context, lower, upper) as root:
            deployer.apply(root, context.log, server.server, context.settings)
            compile_modules(root)
        clean.upper(upper, context.lock.source_date_epoch)

    key = digest(["configured", FORMAT, context.plan, _names(lower)])
    return context.store.realise("configured", key, make)


def compile_modules(root: Path) -> None:
    """Compile our own modules: on a read-only root Python would at each start.

    Debian's come compiled. Nothing changes below a module, so that none has to be read for it
    (PEP 552, unchecked). Raises PostolkaError.
    """
    from pyinfra_deploys.connectors.rootfs import Root  # noqa: PLC0415 - imports pyinfra

    argv = ["python3", "-m", "compileall", "-qq", "--invalidation-mode", "unchecked-hash", LIBRARY]
    done = Root(root).run(argv)
    if done.returncode:
        raise PostolkaError(LIBRARY, (done.stdout + done.stderr).decode(errors="replace").strip())


def checked(context: Context, trees: Sequence[Path]) -> Path:
    """Return an empty store path, which is there once all checkers like `trees`, highest first.

    Raises ProblemsError with every file that a daemon's checker doesn't like.
    """
    rooms = server.present(context.settings)

    def make(out: Path) -> None:
        context.progress("checking what the root is configured to")
        out.mkdir()
        with writable(context, trees, out / "upper", PASSING_UPPER) as root:
            problems = list(_problems(root, rooms))
        if problems:
            raise ProblemsError("checks of the configured root", problems)
        shutil.rmtree(out / "upper")

    key = digest(["checked", [room.checks for room in rooms], _names(trees)])
    return context.store.realise("checked", key, make)


def _names(trees: Sequence[Path]) -> list[str]:
    return [path.parent.name for path in trees]


def _problems(root: Path, rooms: Sequence[Room]) -> Iterator[Problem]:
    from pyinfra_deploys.connectors.rootfs import Root  # noqa: PLC0415 - imports pyinfra

    checks = [(room.name, argv) for room in rooms for argv in room.checks]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda check: Root(root).run(check[1]), checks)
        for (name, argv), done in zip(checks, results, strict=True):
            if done.returncode:
                lines = (done.stdout + done.stderr).decode(errors="replace").splitlines()
                said = "".join(f"\n    | {line}" for line in lines[-_TAIL_LINES:])
                text = f"exit status {done.returncode}: {shlex.join(argv)[:500]}{said}"
                yield Problem(name, text)
