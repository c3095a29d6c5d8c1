"""Run a program of the lab's root to its end, among the strangers: a client of what lives there."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from postolka import namespace
from postolka.lab import nameserver, query, root
from postolka.run import run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from postolka.lab.client import Lab

#: The program's home, a directory that goes with it.
HOME = nameserver.DIRECTORY
_SECONDS = 60


def call(
    lab: Lab,
    argv: Sequence[str],
    stdin: bytes = b"",
    *,
    writes: Mapping[str, Path] | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> bytes:
    """Return what `argv` prints. `writes`: path inside -> directory of the host.

    Raises CommandError.
    """
    with tempfile.TemporaryDirectory(prefix="postolka-lab-") as name:
        directory = Path(name)
        (directory / "resolv.conf").write_text(query.resolv_conf(), encoding="ascii")
        (directory / "home").mkdir()
        inner = root.realise(progress).argv(
            ["env", f"HOME={HOME}", *argv],
            binds={"/etc/resolv.conf": directory / "resolv.conf"},
            writes={HOME: directory / "home", **(writes or {})},
            network=True,
        )
        whole = [*namespace.argv(lab.strangers), *inner]
        return run(whole, stdin=stdin, timeout_seconds=_SECONDS)
