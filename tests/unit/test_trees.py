"""The entries of a tree: a file counts by the bytes that a reader sees."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from postolka import trees

if TYPE_CHECKING:
    from pathlib import Path

_MIB = 1 << 20


@pytest.mark.parametrize(
    ("size", "data"),
    [
        (0, {}),
        (7, {0: b"content"}),
        (3 * _MIB + 7, {}),
        (3 * _MIB, {0: b"at the beginning"}),
        (3 * _MIB + 5, {_MIB - 1: b"amid", 2 * _MIB: bytes(4096)}),
        (3 * _MIB, {3 * _MIB - 3: b"end"}),
    ],
)
def test_a_file_with_holes_counts_by_its_bytes(
    tmp_path: Path, size: int, data: dict[int, bytes]
) -> None:
    """However much of it the disk holds."""
    path = tmp_path / "file"
    with path.open("wb") as file:
        for at, content in data.items():
            file.seek(at)
            file.write(content)
        file.truncate(size)
    found = trees.content(path, path.lstat(), {})
    assert found == hashlib.sha256(path.read_bytes()).hexdigest()
