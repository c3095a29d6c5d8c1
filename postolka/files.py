"""Give a file its content at once: whoever reads it meanwhile sees the old one or the new one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from postolka.errors import PostolkaError

if TYPE_CHECKING:
    from pathlib import Path


def read(path: Path) -> bytes:
    """Return what is in a file that a user names. Raises PostolkaError where it can't be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise PostolkaError(str(path), f"can't be read: {error.strerror}") from error


def write_new(path: Path, content: bytes, *, mode: int, is_durable: bool) -> None:
    """Write a file that isn't there yet, with `mode` from its first byte on.

    `is_durable`: it is on the disk when this returns.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(content)
        if is_durable:
            file.flush()
            os.fsync(descriptor)


def replace(path: Path, content: bytes, *, mode: int = 0o644, is_durable: bool = False) -> None:
    """Put a file in its place, by default one that everybody may read; its directory must exist.

    Two processes may do so at once, in different process namespaces too, where both can have the
    same id.
    """
    new = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    try:
        write_new(new, content, mode=mode, is_durable=is_durable)
        new.rename(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
