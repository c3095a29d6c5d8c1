"""Measure the generator beside plain mmdebstrap, and mail beside Debian's: `make bench`.

All in one run on one machine, or one part of it.

No figure is a test: it depends on the machine, and on what else that does meanwhile. Everything is
made in a directory of its own, with the machine's cache of packages, and removed at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from postolka import home
from postolka.errors import PostolkaError
from tests.bench import mail, steps
from tests.bench.figures import table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.bench.figures import Figure

#: What is measured: images and boots; how mail flows; where it is asked for, images beside mkosi's.
_PARTS: dict[str, Callable[[Path], Iterator[Figure]]] = {
    "image": steps.all_of,
    "mail": mail.all_of,
    "mkosi": steps.beside_mkosi,
}
_USUAL = ("image", "mail")


def main() -> int:
    """Measure, and print one table, or JSON."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument(
        "--only", choices=_PARTS, help="one part of them; mkosi is measured only so"
    )
    arguments = parser.parse_args()
    try:
        figures = _measured([arguments.only] if arguments.only else _USUAL)
    except PostolkaError as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command line
        return 1
    data = json.dumps([figure.as_data() for figure in figures], indent=2)
    print(data if arguments.json else table(figures))  # noqa: T201 - the result
    return 0


def _measured(parts: Sequence[str]) -> list[Figure]:
    if os.geteuid():
        raise PostolkaError("bench", "only root can build and boot", hint="make bench")
    home.home().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=home.home()) as work:
        return [figure for part in parts for figure in _PARTS[part](Path(work, part))]


if __name__ == "__main__":
    sys.exit(main())
