"""`postolka verify`: find what has changed in the store since it was made."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from postolka import build, collector, generation, home, verification
from postolka.errors import ProblemsError
from postolka.store import Store

if TYPE_CHECKING:
    import argparse

_HINT = "sudo postolka verify --remove, then build again"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "image", nargs="?", metavar="ID", help="an id or store path; default: the whole store"
    )
    parser.add_argument(
        "--remove", action="store_true", help="remove what is damaged, and what needs it"
    )
    parser.add_argument("--json", action="store_true")


def run(arguments: argparse.Namespace) -> int:
    """Hash everything again; exit code 1 where anything differs."""
    store = Store(home.store())
    if arguments.image:
        names = set(generation.needs(build.named(arguments.image).path))
    else:
        names = {path.name for path in collector.paths(store)}
    problems = verification.verify(store, names, _say)
    gone = []
    if arguments.remove and problems:
        gone = collector.discard(store, {problem.path.partition("/")[0] for problem in problems})
    if arguments.json:
        print(
            json.dumps(
                {
                    "checked": sorted(names),
                    "problems": [
                        {"path": name, "file": file, "problem": problem.text}
                        for problem in problems
                        for name, _, file in [problem.path.partition("/")]
                    ],
                    "removed": gone,
                }
            )
        )
        return 1 if problems else 0
    for name in gone:
        print(f"removed {name}")
    if problems:
        raise ProblemsError(str(store.root), problems, hint=None if gone else _HINT)
    print(f"{len(names)} paths are as they were made")
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr)
