"""What the rooms' deploys make of the packages' root: what takes long, and the configured root.

Each is a store path with the directory `upper`, an overlay's upper side, which pyinfra works on.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from postolka import deployer
from postolka.errors import PostolkaError
from postolka.layers import clean
from postolka.layers.context import names, writable
from postolka.store import digest
from pyinfra_deploys import server
from pyinfra_deploys.deploys import LIBRARY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from postolka.layers.context import Context
    from pyinfra_deploys.settings import Settings

#: Raised when this module makes another result from the same inputs.
FORMAT = 5


def generated(context: Context, lower: Sequence[Path]) -> Path:
    """Return the layer of what rooms make of the packages alone, on the trees `lower`.

    A changed file makes none of it again: the configured root lies on it, and finds it made.
    Raises PostolkaError with the operation that failed.
    """

    def make(out: Path) -> None:
        context.progress("generating what comes from the packages alone")
        with _deployed(context, lower, out, server.generate):
            pass

    plan = deployer.plan(server.generate, context.settings)
    key = digest(["generated", FORMAT, plan, names(lower)])
    return context.store.realise("generated", key, make)


def configured(context: Context, lower: Sequence[Path]) -> Path:
    """Return the layer's store path, made on the trees `lower`, highest first.

    Raises PostolkaError with the operation that failed.
    """

    def make(out: Path) -> None:
        context.progress("configuring the root")
        with _deployed(context, lower, out, server.server) as root:
            compile_modules(root)

    key = digest(["configured", FORMAT, context.plan, names(lower)])
    return context.store.realise("configured", key, make)


@contextlib.contextmanager
def _deployed(
    context: Context, lower: Sequence[Path], out: Path, deploy: Callable[[Settings], None]
) -> Iterator[Path]:
    """Run `deploy` on the trees `lower`, yield the root, and keep in `out` what has changed."""
    out.mkdir()
    upper = out / "upper"
    with writable(context, lower, upper) as root:
        deployer.apply(root, context.log, deploy, context.settings)
        yield root
    clean.upper(upper, context.lock.source_date_epoch)


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
