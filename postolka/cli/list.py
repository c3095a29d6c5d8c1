"""`postolka list`: the generations in the store."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from postolka import collector, home
from postolka.store import Store

if TYPE_CHECKING:
    import argparse

    from postolka.collector import Generation


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--json", action="store_true")


def run(arguments: argparse.Namespace) -> int:
    """Print each generation, the one used last first."""
    found = collector.generations(Store(home.store()))
    if arguments.json:
        print(json.dumps([_public(generation) for generation in found]))
        return 0
    for known in found:
        day = datetime.fromtimestamp(known.made).astimezone().strftime("%Y-%m-%d %H:%M")
        roots = ", ".join(known.roots) or "-"
        print(f"{known.id[:12]}\t{known.want}\t{day}\t{known.size >> 20} MiB\t{roots}")
    return 0


def _public(generation: Generation) -> dict[str, Any]:
    return {
        "id": generation.id,
        "kind": generation.want,
        "path": str(generation.path),
        "made": int(generation.made),
        "used": int(generation.used),
        "size": generation.size,
        "roots": list(generation.roots),
    }
