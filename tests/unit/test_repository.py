"""The local repository shows apt the locked packages, with the lock's hashes, and no other."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from postolka.debs import Debs
from postolka.layers import repository
from tests.unit.test_lock import a_package

if TYPE_CHECKING:
    from pathlib import Path

CONTROL = "Package: postfix\nVersion: 3.10.5-1\nArchitecture: amd64\nEssential: yes\n"


def test_index_names_the_locked_file(tmp_path: Path) -> None:
    """The package's own control data are followed by where it is, its size and its hash."""
    package, debs = a_package(), Debs(tmp_path / "debs")
    debs.directory.mkdir()
    # The cached control data stand for those of a real package.
    debs.path(package).with_suffix(".control").write_text(CONTROL)
    repository.write([package], debs, tmp_path / "repository", 1_700_000_000)
    dists = tmp_path / "repository/dists/locked"
    index = (dists / "main/binary-amd64/Packages").read_bytes()
    assert index.decode() == (
        CONTROL + f"Filename: pool/{'0' * 64}.deb\nSize: 1000\nSHA256: {'0' * 64}\n\n"
    )
    release = (dists / "Release").read_text()
    hashed = hashlib.sha256(index).hexdigest()
    assert f" {hashed} {len(index)} main/binary-amd64/Packages\n" in release
    assert "Date: Tue, 14 Nov 2023 22:13:20 UTC\n" in release
