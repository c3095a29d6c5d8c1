"""What an operator wants ordered although nothing is due; it stays until it has come."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from postolka.instance import files
from postolka.instance.acme import plan

if TYPE_CHECKING:
    from postolka.instance.paths import Paths

#: Another certificate for the key in use, or one for the key that comes next.
RENEW, NEXT = "renew", "next"


def read(paths: Paths) -> str:
    """Return the wish; empty: none."""
    try:
        return paths.acme_wanted.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""


def make(paths: Paths, wish: str) -> None:
    """Note a wish, one of the above, and that it is to be looked at now."""
    content = f"{wish}\n".encode("ascii")
    file = files.File(content=content, uid=os.getuid(), gid=os.getgid())
    files.write(paths.acme_wanted, file, is_durable=True)
    paths.acme_next.unlink(missing_ok=True)


def fulfil(paths: Paths, order: str) -> None:
    """Forget the wish that an order was."""
    if (read(paths) == NEXT) == (order == plan.NEXT):
        paths.acme_wanted.unlink(missing_ok=True)
