"""Programs of tests that serve among the lab's strangers."""

from __future__ import annotations

import contextlib
import subprocess
import time
from typing import TYPE_CHECKING

from postolka import namespace
from postolka.lab import services
from postolka.run import ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from postolka.lab.client import Lab

_START_SECONDS = 60


@contextlib.contextmanager
def serving(
    lab: Lab, argv: Sequence[str | Path], address: str, port: int
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the end, from when it answers on a TCP port."""
    server = subprocess.Popen(
        [*namespace.argv(lab.strangers), *argv],
        env=dict(ENVIRONMENT),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not services.answers(lab.strangers, address, port):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield server
    finally:
        server.terminate()
        server.wait()
