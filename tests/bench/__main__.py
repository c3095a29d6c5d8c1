"""Measure the generator beside plain mmdebstrap, and mail beside Debian's: `make bench`.

All in one run on one machine, or one part of it. The part of the peers is `make bench-peers`.

No figure is a test: it depends on the machine, and on what else that does meanwhile. Everything is
made in a directory of its own, with the machine's cache of packages, and removed at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from typing import TYPE_CHECKING

from postolka import home, workdir
from postolka.errors import PostolkaError
from postolka.processes import interruptible
from tests.bench import mail, peers, steps
from tests.bench.figures import table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.bench.figures import Figure

#: What is measured: images and boots; how mail flows; where it is asked for, images beside those of
#: mkosi and Packer.
_PARTS: dict[str, Callable[[Path], Iterator[Figure]]] = {
    "image": steps.all_of,
    "mail": mail.all_of,
    "peers": peers.all_of,
}
_USUAL = ("image", "mail")


def main() -> int:
    """Measure, and print one table, or JSON."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument(
        "--only", choices=_PARTS, help="one part of them; the peers are measured only so"
    )
    arguments = parser.parse_args()
    figures: list[Figure] = []
    status = 0
    try:
        _measure([arguments.only] if arguments.only else _USUAL, figures)
    except PostolkaError as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command line
        status = 1
    except KeyboardInterrupt:
        status = 128 + signal.SIGINT
    if figures:
        data = json.dumps([figure.as_data() for figure in figures], indent=2)
        print(data if arguments.json else table(figures))  # noqa: T201 - the result
    return status


def _measure(parts: Sequence[str], figures: list[Figure]) -> None:
    """Add each figure once it is known: what ends early leaves those from before."""
    if os.geteuid():
        raise PostolkaError("bench", "only root can build and boot", hint="make bench")
    home.home().mkdir(parents=True, exist_ok=True)
    with interruptible(), workdir.new("bench-", home.home()) as work:
        for part in parts:
            figures.extend(_PARTS[part](work.path / part))


if __name__ == "__main__":
    sys.exit(main())
