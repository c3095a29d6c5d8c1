"""Write files so that a power cut leaves the old or the new content, never a part of it."""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file's content, permissions and owner."""

    content: bytes
    mode: int = 0o600
    uid: int = 0
    gid: int = 0


def write(path: Path, file: File, *, is_durable: bool = False) -> bool:
    """Make `path` hold `file`; return whether anything had to change.

    With `is_durable` the content is on the disk when this returns, and the name too.
    """
    if _matches(path, file):
        return False
    work = path.with_name(f".{path.name}.new")
    with contextlib.suppress(FileNotFoundError):
        work.unlink()
    descriptor = os.open(work, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        os.fchown(descriptor, file.uid, file.gid)
        os.fchmod(descriptor, file.mode)
        stream.write(file.content)
        stream.flush()
        if is_durable:
            os.fsync(descriptor)
    work.replace(path)
    if is_durable:
        sync(path.parent)
    return True


def sync(directory: Path) -> None:
    """Put the names in `directory` on the disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def mirror(source: Path, target: Path, overrides: Mapping[str, File]) -> None:
    """Make the tree `target` equal `source` with `overrides` (relative paths) put on top.

    Each file is replaced at once, and what belongs to neither goes: the result doesn't depend on
    what `target` was, and a reader of `target` never sees half a file.
    """
    _mirror_directory(source, target)
    names = {path.name for path in source.iterdir()} if source.is_dir() else set()
    inside: dict[str, dict[str, File]] = {}
    for relative, file in overrides.items():
        first, slash, rest = relative.partition("/")
        names.add(first)
        if slash:
            inside.setdefault(first, {})[rest] = file
    for name in sorted(names):
        child = source / name
        if name in overrides:
            _clear(target / name, keep_file=True)
            write(target / name, overrides[name])
        elif name in inside or (child.is_dir() and not child.is_symlink()):
            mirror(child, target / name, inside.get(name, {}))
        else:
            _copy(child, target / name)
    for path in target.iterdir():
        if path.name not in names:
            _clear(path)


def _matches(path: Path, file: File) -> bool:
    try:
        found = path.lstat()
        return (
            stat.S_ISREG(found.st_mode)
            and stat.S_IMODE(found.st_mode) == file.mode
            and (found.st_uid, found.st_gid) == (file.uid, file.gid)
            and found.st_size == len(file.content)
            and path.read_bytes() == file.content
        )
    except FileNotFoundError:
        return False


def _mirror_directory(source: Path, target: Path) -> None:
    if target.is_symlink() or not target.is_dir():
        _clear(target)
        target.mkdir(mode=0o700)
    if source.is_dir():
        found = source.stat()
        os.chown(target, found.st_uid, found.st_gid)
        target.chmod(stat.S_IMODE(found.st_mode))
    else:
        target.chmod(0o755)


def _copy(source: Path, target: Path) -> None:
    found = source.lstat()
    if stat.S_ISLNK(found.st_mode):
        link = source.readlink()
        if not target.is_symlink() or target.readlink() != link:
            _clear(target)
            target.symlink_to(link)
    elif stat.S_ISREG(found.st_mode):
        _clear(target, keep_file=True)
        content = source.read_bytes()
        mode = stat.S_IMODE(found.st_mode)
        write(target, File(content=content, mode=mode, uid=found.st_uid, gid=found.st_gid))


def _clear(path: Path, *, keep_file: bool = False) -> None:
    """Remove whatever `path` is; with `keep_file` a regular file or link stays."""
    if path.is_dir() and not path.is_symlink():
        for child in path.iterdir():
            _clear(child)
        path.rmdir()
    elif not keep_file:
        path.unlink(missing_ok=True)
