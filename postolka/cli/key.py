"""`postolka key`: make the key that images are signed with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from postolka import signing

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the actions and their arguments."""
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    new = actions.add_parser("new", help="make an Ed25519 key in FILE, and FILE.pub")
    new.add_argument("file", type=Path, metavar="FILE")


def run(arguments: argparse.Namespace) -> int:
    """Make a key, and print the path of its public part."""
    print(signing.new(arguments.file))
    return 0
