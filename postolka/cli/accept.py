"""`postolka accept`: boot an image in the lab and let it prove itself by real mail."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from postolka.cli.machine import say

if TYPE_CHECKING:
    import argparse

    from postolka.generation import Want


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "image", nargs="?", metavar="ID", help="an id or store path; default: this checkout's"
    )
    parser.add_argument(
        "--container", action="store_true", help="boot its root only, without its kernel"
    )
    parser.add_argument("--profile", metavar="NAME", default="", help="this checkout's image of it")
    parser.add_argument("--memory", type=int, default=1024, metavar="MB", help="of the VM")


def run(arguments: argparse.Namespace) -> int:
    """Boot, check, stop."""
    from postolka import build, example  # noqa: PLC0415 - their libraries cost 0.5 s

    if arguments.image is None:
        want: Want = "root" if arguments.container else "disk"
        image = build.realise(want=want, progress=say, profile=arguments.profile)
    elif "/" in arguments.image:
        image = build.load(Path(arguments.image))
    else:
        image = build.find(arguments.image)
    with tempfile.TemporaryDirectory(prefix="postolka-accept-") as work:
        directory = Path(work, "instance")
        example.new_instance(directory, has_mailboxes=image.has_mailboxes())
        request = example.Request(
            image=image,
            kind="container" if arguments.container else "vm",
            directory=directory,
            memory_mib=arguments.memory,
            lab=f"accept-{os.getpid()}",
        )
        with example.running(request, say) as (machine, lab):
            example.accept(image, machine, lab, directory, _report)
    print(f"{image.id}: accepted")
    return 0


def _report(promise: str, seen: str) -> None:
    say(f"ok: {promise}: {seen}")
