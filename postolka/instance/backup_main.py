"""The verbs `backup` and `restore` of `postolka-instance`."""
# ruff: noqa: T201 - the command speaks

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

from postolka.errors import PostolkaError
from postolka.instance.paths import Paths

if TYPE_CHECKING:
    import argparse

_UNIT = "postolka-backup.service"


def configure(backup: argparse.ArgumentParser, restore: argparse.ArgumentParser) -> None:
    """Declare the arguments of both."""
    backup.add_argument(
        "--anyway",
        action="store_true",
        help="beside the backups of a machine that this one replaces",
    )
    actions = backup.add_subparsers(dest="action", metavar="[ACTION]")
    listing = actions.add_parser("list", help="the backups that there are, oldest first")
    listing.add_argument("--json", action="store_true", help="the same for a script")
    actions.add_parser("key", help="the public key to let in at the SFTP server")
    restore.add_argument(
        "--snapshot", metavar="S", default="latest", help="begin of its id (default: the latest)"
    )
    restore.add_argument(
        "--mailbox", metavar="M", help="this mailbox alone, into folders of its own"
    )
    restore.add_argument("--folder", metavar="F", help="this folder of it alone")


def backup(arguments: argparse.Namespace) -> int:
    """Do what `backup` is told."""
    from postolka.instance.backups import repository  # noqa: PLC0415 - a verb loads what it needs

    _check_root("backup")
    if arguments.action == "list":
        found = repository.load(Paths()).snapshots()
        data = json.dumps([item.as_data() for item in found], indent=2)
        print(data if arguments.json else "\n".join(map(str, found)) or "nothing")
    elif arguments.action == "key":
        print(_public_key())
    else:
        repository.load(Paths())
        _run(is_adopting=arguments.anyway)
    return 0


def restore(arguments: argparse.Namespace) -> int:
    """Do what `restore` is told."""
    from postolka.instance.backups import mailbox, restoring  # noqa: PLC0415
    from postolka.instance.checks.check import count  # noqa: PLC0415
    from postolka.instance.system import Machine  # noqa: PLC0415

    _check_root("restore")
    if arguments.folder and not arguments.mailbox:
        raise PostolkaError("--folder", "is a folder of which mailbox? --mailbox M")
    if arguments.mailbox:
        found = mailbox.restore(
            Paths(), arguments.mailbox, arguments.folder or "", arguments.snapshot
        )
        print("\n".join(f"{name}  {count(mails, 'mail')}" for name, mails in found.items()))
    else:
        print(restoring.restore(Paths(), Machine(), arguments.snapshot))
    return 0


def _run(*, is_adopting: bool) -> None:
    """Have the unit make a backup, in its sandbox, and tell what became of it."""
    from postolka.instance.backups import outcome  # noqa: PLC0415
    from postolka.instance.checks.check import size  # noqa: PLC0415

    if is_adopting:
        (Paths().backup / "adopted").touch()
    subprocess.run(["systemctl", "start", _UNIT], capture_output=True, check=False)
    found = outcome.load(Paths())
    if found.problem or not found.succeeded:
        problem = found.problem or "didn't begin"
        raise PostolkaError("backup", problem, hint=f"journalctl -u {_UNIT}")
    print(f"snapshot {found.snapshot}: {size(found.bytes)}, {size(found.bytes_added)} sent")
    if found.unread:
        print(f"  without {found.unread}")


def _public_key() -> str:
    from postolka.instance import keys  # noqa: PLC0415
    from postolka.instance.parse import parse  # noqa: PLC0415

    instance = parse(Paths().kept.read_bytes())
    if not instance.backup or not instance.backup.ssh_key:
        raise PostolkaError("backup.ssh_key", "isn't in the instance's data")
    return f"{keys.ssh_public(instance.backup.ssh_key)} backup@{instance.hostname}"


def _check_root(verb: str) -> None:
    if os.geteuid():
        raise PostolkaError(verb, "only root may", hint=f"sudo postolka-instance {verb}")
