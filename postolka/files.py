"""Give a file its content at once: whoever reads it meanwhile sees the old one or the new one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def replace(path: Path, content: bytes) -> None:
    """Write a file that everybody may read; its directory must exist.

    Two processes may do so at once, in different process namespaces too, where both can have the
    same id.
    """
    new = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    try:
        new.write_bytes(content)
        new.chmod(0o644)
        new.rename(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
