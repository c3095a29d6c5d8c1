"""`postolka build`: make this checkout's image, or find it in the store."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

from postolka import build

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--json", action="store_true", help="print id and paths as JSON")
    parser.add_argument(
        "--root", action="store_true", help="only the root file system, for containers"
    )
    parser.add_argument(
        "--temporary-lock",
        action="store_true",
        help="where the lock's packages have left the mirror, resolve into a lock for this build",
    )


def run(arguments: argparse.Namespace) -> int:
    """Build, and print the store directory."""
    begin = time.monotonic()

    def progress(line: str) -> None:
        print(f"[{time.monotonic() - begin:6.1f} s] {line}", file=sys.stderr)

    built = build.realise(
        want="root" if arguments.root else "disk",
        progress=progress,
        temporary_lock=arguments.temporary_lock,
    )
    if arguments.json:
        layers = [str(layer) for layer in built.root_layers]
        disk = str(built.disk) if built.disk else None
        print(
            json.dumps(
                {"id": built.id, "path": str(built.path), "disk": disk, "root_layers": layers}
            )
        )
    else:
        print(built.path)
    return 0
