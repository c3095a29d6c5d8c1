"""`postolka build`: make this checkout's image, or find it in the store."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

from postolka import build, formats, home
from postolka.errors import PostolkaError
from postolka.store import Store

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator

    from postolka.build import Built
    from postolka.twins import Layer

_SHOWN = 40


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--json", action="store_true", help="print id and paths as JSON")
    parser.add_argument(
        "--profile", default="", metavar="NAME", help="with the settings of group_data/NAME.py"
    )
    parser.add_argument(
        "--root", action="store_true", help="only the root file system, for containers"
    )
    parser.add_argument(
        "--format",
        choices=formats.NAMES,
        help="print the disk's path in this format, made if it isn't there yet",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="build once more from nothing, as if elsewhere, and compare; 3 if anything differs",
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

    if arguments.root and (arguments.format or arguments.check):
        raise PostolkaError("--root", "makes no disk", hint="leave it out")
    built = build.realise(
        want="root" if arguments.root else "disk",
        progress=progress,
        temporary_lock=arguments.temporary_lock,
        profile=arguments.profile,
    )
    if arguments.check:
        return _check(built, arguments, progress)
    disk = built.disk
    if arguments.format:
        disk = formats.realise(Store(home.store()), built, arguments.format, progress)
    if arguments.json:
        layers = [str(layer) for layer in built.root_layers]
        data = {"id": built.id, "path": str(built.path), "disk": disk and str(disk)}
        print(json.dumps({**data, "root_layers": layers}))
    else:
        print(disk if arguments.format else built.path)
    return 0


def _check(built: Built, arguments: argparse.Namespace, progress: Callable[[str], None]) -> int:
    """Compare with a second build; exit code 3 where anything differs."""
    from postolka import rebuild, twins  # noqa: PLC0415 - an answer from the store needs neither
    from postolka.processes import interruptible  # noqa: PLC0415

    name = arguments.format or "qcow2"
    disk = formats.realise(Store(home.store()), built, name, progress)
    with (
        interruptible(),
        rebuild.second(home.CHECKOUT, built, name, progress, arguments.profile) as second,
    ):
        layers = twins.layers(built.path, second.built.path, progress)
        if name != formats.RAW:
            layers.append(twins.layer(name, disk.parent, second.disk.parent))
        is_equal = all(layer.is_equal for layer in layers)
        second.work.is_kept = not is_equal
        if arguments.json:
            data = {
                "id": built.id,
                "is_equal": is_equal,
                "second": None if is_equal else str(second.work.path),
                "circumstances": rebuild.circumstances(),
                "layers": [twins.as_data(layer) for layer in layers],
            }
            print(json.dumps(data))
        else:
            print("\n".join(_told(layers)))
            if not is_equal:
                print(f"the second build stays in {second.work.path}")
    return 0 if is_equal else 3


def _told(layers: Iterable[Layer]) -> Iterator[str]:
    """Yield the comparison as lines of text."""
    from postolka import twins  # noqa: PLC0415 - as above

    for layer in layers:
        yield f"{'equal  ' if layer.is_equal else 'DIFFERS'} {layer.name}"
        how = dict(twins.shown(layer))
        for one in layer.problems[:_SHOWN]:
            yield f"  {one.path or '.'}: {one.text}"
            yield from (f"    | {line}" for line in how.get(one.path, ()))
        if len(layer.problems) > _SHOWN:
            yield f"  and {len(layer.problems) - _SHOWN} more: --json has them all"
