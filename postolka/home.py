"""Where the generator keeps things on the build host: one directory, outside every checkout.

`POSTOLKA_HOME` names it; the default is /var/cache/postolka. Everything in it can be made again.
"""

from __future__ import annotations

import os
from pathlib import Path

#: Top of the checkout whose rooms, settings and lock this command works on.
CHECKOUT = Path(__file__).resolve().parent.parent


def home() -> Path:
    """Return the generator's directory (not created)."""
    return Path(os.environ.get("POSTOLKA_HOME") or "/var/cache/postolka")


def debs() -> Path:
    """Return the cache of locked .deb files, named by SHA-256."""
    return home() / "debs"


def store() -> Path:
    """Return the content-addressed store."""
    return home() / "store"


def machines() -> Path:
    """Return the directory of running disposable VMs, containers and labs, one each by name."""
    return home() / "machines"


def variables() -> dict[str, str]:
    """Return what the environment says to this command alone, for a process that is part of it."""
    return {name: value for name, value in os.environ.items() if name.startswith("POSTOLKA_")}
