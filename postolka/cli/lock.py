"""`postolka lock`: resolve every package, or say whether the lock is complete."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from postolka import apt, home, lock, wants

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--update", action="store_true", help="resolve again although there is a lock"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write postolka.lock, or check the one that is there."""
    path = home.CHECKOUT / "postolka.lock"
    wanted = wants.wanted()
    if path.exists() and not arguments.update:
        locked = lock.parse(path.read_text(), where=path.name)
        locked.check(wanted, where=path.name)
        print(f"{path}: complete, {len(locked.packages)} packages")
        return 0
    locked = apt.lock(home.home() / "apt", wanted, _say)
    new = path.with_name(f".{path.name}.new")
    new.write_text(lock.serialise(locked))
    if os.geteuid() == 0:
        # By sudo in a user's checkout: the file stays the user's.
        owner = path.parent.stat()
        os.chown(new, owner.st_uid, owner.st_gid)
    new.rename(path)
    print(f"{path}: {len(locked.packages)} packages")
    _say("next: postolka build")
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr)
