"""`postolka verify`: find what has changed in the store since it was made."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from postolka import build, collector, generation, home, papers, signing, verification
from postolka.errors import PostolkaError, ProblemsError
from postolka.store import Store

if TYPE_CHECKING:
    import argparse

    from postolka.errors import Problem

_HINT = "sudo postolka verify --remove, then build again"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "image",
        nargs="?",
        metavar="ID",
        help="an id, a store path, or a directory as dist; default: the whole store",
    )
    parser.add_argument(
        "--key", type=Path, metavar="PUBLIC", help="the image is signed by this key, too"
    )
    parser.add_argument(
        "--remove", action="store_true", help="remove what is damaged, and what needs it"
    )
    parser.add_argument("--json", action="store_true")


def run(arguments: argparse.Namespace) -> int:
    """Hash everything again; exit code 1 where anything differs."""
    if arguments.key and not arguments.image:
        raise PostolkaError("--key", "is about one image", hint="postolka verify ID --key PUBLIC")
    where, names, problems = _checked(arguments)
    gone: list[str] = []
    if arguments.remove and problems:
        store = Store(home.store())
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
        raise ProblemsError(where, problems, hint=None if gone else _HINT)
    signed = f", signed by {arguments.key}" if arguments.key else ""
    print(f"{len(names)} paths are as they were made{signed}")
    return 0


def _checked(arguments: argparse.Namespace) -> tuple[str, set[str], list[Problem]]:
    """Return where was looked, names of what was hashed, and what is wrong."""
    store = Store(home.store())
    if not arguments.image:
        names = {path.name for path in collector.paths(store)}
        return str(store.root), names, verification.verify(store, names, _say)
    key = arguments.key
    if directory := papers.handed_over(arguments.image):
        if arguments.remove:
            raise PostolkaError("--remove", "is about the store", hint="leave it out")
        label = directory.resolve().name
        problems = list(verification.checksums(directory, label=label))
        if key:
            file = directory / signing.SIGNATURE
            content = papers.sums(directory)
            problems += verification.signature(content, file, key, label=label)
        return str(directory), {label}, problems
    path = build.named(arguments.image).path
    names = set(generation.needs(path))
    # Read first: hashing takes its time.
    stored = store.signature(path.name, signing.fingerprint(key)) if key else None
    problems = verification.verify(store, names, _say)
    if stored:
        problems += verification.checksums(path, label=path.name)
        problems += verification.signature(papers.sums(path), stored, key, label=path.name)
    return str(store.root), names, problems


def _say(line: str) -> None:
    print(line, file=sys.stderr)
