"""What the steps of a build print: a file of its own for each build that runs, kept where it fails.

home.home()/logs/NAME.log, or NAME-2.log and so on while others of that name are written to
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
from typing import TYPE_CHECKING

from postolka import home

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def new(name: str) -> Iterator[Path]:
    """Yield an empty log that no other process writes to; it goes when the block succeeds.

    The log of an earlier build of the same name, which has failed, is overwritten.
    """
    directory = home.home() / "logs"
    directory.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        path = directory / (f"{name}-{number}.log" if number > 1 else f"{name}.log")
        with path.open("ab") as file:
            if not _is_ours(path, file.fileno()):
                continue
            file.truncate(0)
            yield path
            path.unlink()
            return


def _is_ours(path: Path, descriptor: int) -> bool:
    """Lock the file; the kernel unlocks it when the process dies."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    # Its owner may have finished, and removed it, between our opening and our locking it.
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), path.stat())
    return False
