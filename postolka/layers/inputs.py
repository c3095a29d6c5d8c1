"""What a layer reads, as plain data for its key. Reads files, writes nothing."""

from __future__ import annotations

import stat
from pathlib import Path

from postolka import trees

#: Files of the checkout that an image is made with: /initrd, /root and /disk below it.
BOOT = Path(__file__).resolve().parent.parent / "boot"


def sources(directory: Path) -> list[list[str]]:
    """Return every file of a checkout's directory: path, x or -, content; git keeps no more."""
    found = []
    for path in sorted(directory.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            continue
        status = path.lstat()
        is_program = stat.S_ISREG(status.st_mode) and bool(status.st_mode & stat.S_IXUSR)
        kind = "x" if is_program else "-"
        found.append([str(path.relative_to(directory)), kind, trees.content(path, status, {})])
    return found
