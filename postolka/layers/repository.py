"""A local apt repository that holds the locked packages of one set, and nothing else.

apt checks each file that it takes against the index made here, whose hashes are the lock's.
"""

from __future__ import annotations

import concurrent.futures
import gzip
import hashlib
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from postolka import files
from postolka.debs import CONTROL
from postolka.run import run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from postolka.debs import Debs
    from postolka.lock import Package

SUITE = "locked"
#: Below the repository: its index of packages.
INDEX = f"dists/{SUITE}/main/binary-amd64/Packages"
#: Below the repository: where the cache of .deb files is to be bound.
POOL = "pool"


def write(
    packages: Sequence[Package],
    debs: Debs,
    directory: Path,
    epoch: int,
    *,
    filename: Callable[[Package], str] = lambda package: f"{package.sha256}.deb",
) -> None:
    """Write the repository's indexes into `directory`; its POOL is an empty directory.

    `filename` names a package's file there: as the cache does, so that the cache can be bound.
    """
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        stanzas = list(pool.map(lambda p: _stanza(p, debs.path(p), filename(p)), packages))
    text = "".join(stanzas).encode()
    where = (directory / INDEX).parent
    where.mkdir(parents=True)
    (directory / POOL).mkdir()
    # mtime=0: the bytes don't depend on when they were made.
    files = {"Packages": text, "Packages.gz": gzip.compress(text, 1, mtime=0)}
    hashes = ""
    for name, content in files.items():
        (where / name).write_bytes(content)
        hashed = hashlib.sha256(content).hexdigest()
        hashes += f" {hashed} {len(content)} main/binary-amd64/{name}\n"
    date = datetime.fromtimestamp(epoch, UTC).strftime("%a, %d %b %Y %H:%M:%S UTC")
    # Without Suite and Codename mmdebstrap finds no essential packages.
    (directory / "dists" / SUITE / "Release").write_text(
        f"Suite: {SUITE}\nCodename: {SUITE}\nDate: {date}\nArchitectures: amd64\n"
        f"Components: main\nSHA256:\n{hashes}"
    )


def _stanza(package: Package, deb: Path, name: str) -> str:
    """Return the package's paragraph of the index; its control data are cached beside the file."""
    cached = deb.with_suffix(CONTROL)
    if not cached.exists():
        files.replace(cached, run(["dpkg-deb", "--field", str(deb)]))
    control = cached.read_text().rstrip("\n")
    return f"{control}\nFilename: {POOL}/{name}\nSize: {package.size}\nSHA256: {package.sha256}\n\n"
