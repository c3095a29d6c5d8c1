"""What every layer gets, and the one way to look at several layers as one tree.

A layer is a function `NAME(context, paths of the layers below) -> store path`. It hashes all that
it reads into a key of its own and calls `context.store.realise(NAME, key, make)`. It runs in a
mount namespace that ends with the build, so what it mounts can't outlive it.
"""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from postolka.run import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from postolka.debs import Debs
    from postolka.lock import Lock
    from postolka.store import Store
    from postolka.tools import Tools
    from pyinfra_deploys.settings import Settings

# volatile: no fsync(2) a file; the store writes a finished path out as a whole.
_ANY_UPPER = "volatile,index=off,xino=off"
#: No feature that would put into an upper directory what only this kernel, or this mount, can read.
KEPT_UPPER = f"{_ANY_UPPER},metacopy=off,redirect_dir=off"
#: A directory of the trees below is moved by its name, and not by copying all that is in it.
PASSING_UPPER = f"{_ANY_UPPER},metacopy=on,redirect_dir=on"


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One build: its inputs, where results go, and how it tells what it does."""

    id: str
    """The image's id: hash of all inputs, lower-case hexadecimal."""
    lock: Lock
    settings: Settings
    plan: str
    """Hash of what pyinfra will do to the root."""
    tools: Tools
    debs: Debs
    store: Store
    work: Path
    """A directory for temporary files, removed at the end of the build."""
    progress: Callable[[str], None]
    """Takes a line that says what begins now."""
    log: Path
    """The build's log, for `run(log=...)`; named in the error when a step fails."""


@contextlib.contextmanager
def merged(context: Context, lower: Sequence[Path]) -> Iterator[Path]:
    """Mount the trees `lower`, highest first, as one; read-only, for the time of the block."""
    with _mounted(
        context, f"ro,lowerdir={_joined(lower)}" if len(lower) > 1 else "", lower
    ) as path:
        yield path


@contextlib.contextmanager
def writable(
    context: Context, lower: Sequence[Path], upper: Path, options: str = KEPT_UPPER
) -> Iterator[Path]:
    """Mount the trees `lower`, highest first, with all changes going to the directory `upper`.

    `upper` is made. It gets the mode and owner of the trees' own root. `options`: KEPT_UPPER where
    it is to be read later, without this mount.
    """
    upper.mkdir(mode=0o755)
    work = upper.with_name(f".{upper.name}.work")
    work.mkdir()
    mounted = f"lowerdir={_joined(lower)},upperdir={upper},workdir={work},{options}"
    with _mounted(context, mounted, lower) as path:
        yield path
    run(["rm", "-rf", str(work)])


@contextlib.contextmanager
def in_memory(context: Context) -> Iterator[Path]:
    """Yield an empty directory for thousands of small files that go at the end of the block.

    On an ext4 without a journal whoever makes a file passes over all that went lately.
    """
    path = Path(tempfile.mkdtemp(prefix="memory-", dir=context.work))
    run(["mount", "-t", "tmpfs", "-o", "mode=0755", "postolka", str(path)])
    try:
        yield path
    finally:
        run(["umount", "--lazy", str(path)])
        path.rmdir()


@contextlib.contextmanager
def _mounted(context: Context, options: str, lower: Sequence[Path]) -> Iterator[Path]:
    target = Path(tempfile.mkdtemp(prefix="merged-", dir=context.work))
    if options:
        run(["mount", "-t", "overlay", "-o", options, "overlay", str(target)])
    else:
        run(["mount", "--bind", "-o", "ro", str(lower[0]), str(target)])
    try:
        yield target
    except BaseException:
        # Something may still run in there.
        run(["umount", "--lazy", str(target)])
        raise
    run(["umount", str(target)])
    target.rmdir()


def names(trees: Sequence[Path]) -> list[str]:
    """Return the names of the store paths in which `trees` lie: what a key has of them."""
    return [path.parent.name for path in trees]


def _joined(lower: Sequence[Path]) -> str:
    return ":".join(str(path) for path in lower)
