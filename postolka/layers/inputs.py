"""What a layer reads, as plain data for its key. Reads files, writes nothing."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

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
        found.append([str(path.relative_to(directory)), kind, _content(path, status)])
    return found


def tree(directory: Path) -> list[list[object]]:
    """Return all that a layer's tree is made of: path, mode, owner, group, content, attributes.

    Times are left out: the image has one for all its files. A deletion of an overlay is a device
    here, and an opaque directory an attribute.
    """
    found: list[list[object]] = [_entry(directory, directory)]
    for parent, folders, files in os.walk(directory):
        folders.sort()
        found += [_entry(Path(parent, name), directory) for name in sorted([*folders, *files])]
    return found


def _entry(path: Path, top: Path) -> list[object]:
    status = path.lstat()
    attributes = [
        [name, os.getxattr(path, name, follow_symlinks=False).hex()]
        for name in sorted(os.listxattr(path, follow_symlinks=False))
    ]
    where = str(path.relative_to(top))
    return [where, status.st_mode, status.st_uid, status.st_gid, _content(path, status), attributes]


def _content(path: Path, status: os.stat_result) -> str:
    if stat.S_ISLNK(status.st_mode):
        return str(path.readlink())
    if stat.S_ISREG(status.st_mode):
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    return str(status.st_rdev)
