"""The verb `ban` of `postolka-instance`."""
# ruff: noqa: T201 - the command speaks

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="all addresses, and for how much longer")
    listing.add_argument("--json", action="store_true", help="the same for a script")
    gone = actions.add_parser("remove", help="let an address in again, or all of a network")
    gone.add_argument("address", metavar="ADDRESS")


def ban(arguments: argparse.Namespace) -> int:
    """Do what `ban` is told."""
    from postolka.instance import jail  # noqa: PLC0415 - a verb loads what it needs

    if arguments.action == "remove":
        found = jail.remove(arguments.address)
        print("\n".join(f"{item}: let in again" for item in found) or _nobody(arguments.address))
        return 0 if found else 1
    bans = jail.banned()
    data = json.dumps([asdict(item) for item in bans], indent=2)
    print(data if arguments.json else "\n".join(map(str, bans)) or "nobody")
    return 0


def _nobody(address: str) -> str:
    return f"{address}: isn't banned"
