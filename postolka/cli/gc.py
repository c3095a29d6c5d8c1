"""`postolka gc`: remove from the store what nobody needs."""

from __future__ import annotations

import argparse
import json

from postolka import collector, home
from postolka.store import Store

_DAY_SECONDS = 86400


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--keep", type=_number, default=0, metavar="N", help="keep the N generations used last"
    )
    parser.add_argument(
        "--older-than",
        type=_number,
        default=0,
        metavar="DAYS",
        help="keep what was used within the last DAYS days",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would go")
    parser.add_argument("--json", action="store_true")


def run(arguments: argparse.Namespace) -> int:
    """Collect, and print what went."""
    gone = collector.collect(
        Store(home.store()),
        keep=arguments.keep,
        older_than_seconds=arguments.older_than * _DAY_SECONDS,
        dry=arguments.dry_run,
    )
    if arguments.json:
        print(json.dumps([{"path": name, "size": size} for name, size in gone]))
        return 0
    for name, size in gone:
        print(f"{name}\t{size >> 20} MiB")
    verb = "would be freed" if arguments.dry_run else "freed"
    print(f"{sum(size for _, size in gone) >> 20} MiB {verb}")
    return 0


def _number(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f'"{text}" is not a whole number')
    return int(text)
