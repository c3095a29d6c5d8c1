"""Directories for the time of some work: gone at its end, after a SIGKILL with the next of them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(slots=True)
class Workdir:
    """A directory that its maker alone works in."""

    path: Path
    is_kept: bool = False
    """Whether it stays."""


@contextlib.contextmanager
def new(prefix: str, parent: Path) -> Iterator[Workdir]:
    """Yield an empty directory in `parent` whose name begins with `prefix`; it goes at the end.

    One of that kind whose maker has been killed goes now.
    """
    _clean(prefix, parent)
    # Locked before it has its name, so that no other process takes it for a dead one's. A child
    # doesn't inherit the lock, and the kernel drops it with its holder.
    made = Path(tempfile.mkdtemp(prefix=f".{prefix}", dir=parent))
    descriptor = os.open(made, os.O_RDONLY | os.O_DIRECTORY)
    work = Workdir(made)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        work.path = made.rename(parent / made.name.removeprefix("."))
        yield work
    finally:
        if not work.is_kept:
            shutil.rmtree(work.path)
        os.close(descriptor)


def _clean(prefix: str, parent: Path) -> None:
    for path in parent.glob(f"{prefix}*"):
        # Another process may clean up at the same moment.
        with contextlib.suppress(FileNotFoundError, BlockingIOError, NotADirectoryError):
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if os.fstat(descriptor).st_uid == os.geteuid():
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(path)
            finally:
                os.close(descriptor)
