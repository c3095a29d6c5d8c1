"""Measure the generator beside plain mmdebstrap, in one run on one machine: `make bench`.

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
from tests.bench import steps
from tests.bench.figures import table

if TYPE_CHECKING:
    from tests.bench.figures import Figure


def main() -> int:
    """Measure, and print one table, or JSON."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    arguments = parser.parse_args()
    try:
        figures = _measured()
    except PostolkaError as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command line
        return 1
    data = json.dumps([figure.as_data() for figure in figures], indent=2)
    print(data if arguments.json else table(figures))  # noqa: T201 - the result
    return 0


def _measured() -> list[Figure]:
    if os.geteuid():
        raise PostolkaError("bench", "only root can build and boot", hint="make bench")
    home.home().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=home.home()) as work:
        return list(steps.all_of(Path(work)))


if __name__ == "__main__":
    sys.exit(main())
