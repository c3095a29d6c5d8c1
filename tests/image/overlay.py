"""A writable root for a test: an overlay on the package layer, gone afterwards."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


@contextmanager
def mounted(lower: Sequence[Path], directory: Path) -> Iterator[Path]:
    """Mount the trees `lower`, highest first, writable, for the time of the block."""
    target = directory / "root"
    for name in ("root", "upper", "work"):
        (directory / name).mkdir()
    options = f"lowerdir={':'.join(map(str, lower))},upperdir={directory}/upper"
    options += f",workdir={directory}/work"
    subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", target], check=True)
    try:
        yield target
    finally:
        subprocess.run(["umount", "--lazy", target], check=True)
