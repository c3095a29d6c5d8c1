"""`postolka sign`: put a detached signature beside an image."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from postolka import build, files, home, papers, signing
from postolka.store import Store

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("image", metavar="ID", help="an id, a store path, or a directory as dist")
    parser.add_argument("--key", type=Path, required=True, metavar="FILE", help="the private key")


def run(arguments: argparse.Namespace) -> int:
    """Sign the image's SHA256SUMS, and print the signature's path."""
    directory = papers.handed_over(arguments.image)
    image = directory or build.named(arguments.image).path
    signature, fingerprint = signing.sign(papers.sums(image), arguments.key)
    if directory:
        target = directory / signing.SIGNATURE
    else:
        target = Store(home.store()).signature(image.name, fingerprint)
        target.parent.mkdir(exist_ok=True)
    files.replace(target, signature)
    if os.geteuid() == 0:
        # By sudo in a user's directory: the file stays the user's.
        owner = target.parent.stat()
        os.chown(target, owner.st_uid, owner.st_gid)
    print(target)
    return 0
