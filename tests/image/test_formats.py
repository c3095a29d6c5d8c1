"""Other forms of the disk: the same content, and the same bytes each time."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING

import pytest

from postolka import formats
from postolka.debs import sha256
from postolka.store import Store
from tests.image.conftest import say

if TYPE_CHECKING:
    from pathlib import Path

    from postolka.build import Built
    from postolka.tools import Tools

#: How qemu-img calls them.
_DRIVERS = {"qcow2": "qcow2", "vhd": "vpc", "vmdk": "vmdk"}
_SIZE = 48 << 20


@pytest.fixture(name="small", scope="module")
def _small(disk: Built, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Return the image with the beginning of its disk alone: what takes long isn't the point."""
    path = tmp_path_factory.mktemp("small") / "disk.raw"
    assert disk.disk
    with disk.disk.open("rb") as whole:
        path.write_bytes(whole.read(_SIZE))
    return dataclasses.replace(disk, disk=path)


@pytest.mark.parametrize("name", _DRIVERS)
def test_a_format_is_the_same_when_made_twice(
    name: str, small: Built, toolbox: Tools, tmp_path: Path
) -> None:
    """In two stores; and QEMU finds in it what is on the raw disk."""
    one, other = (
        formats.realise(Store(tmp_path / store), small, name, say) for store in ("one", "other")
    )
    assert one != other
    assert sha256(one) == sha256(other)
    assert small.disk
    compare = ["qemu-img", "compare", "-f", "raw", "-F", _DRIVERS[name], "/disk.raw", "/made"]
    said = toolbox.run(compare, binds={"/disk.raw": small.disk, "/made": one})
    assert said == b"Images are identical.\n"
    assert formats.realise(Store(tmp_path / "one"), small, name, pytest.fail) == one


def test_raw_is_the_images_own(disk: Built, tmp_path: Path) -> None:
    """There is nothing to make."""
    assert formats.realise(Store(tmp_path), disk, formats.RAW, pytest.fail) == disk.disk


def test_azure_gets_whole_mebibytes(disk: Built, tmp_path: Path) -> None:
    """A VHD is the disk of a multiple of 1 MiB, and a footer of one sector."""
    made = formats.realise(Store(tmp_path), disk, "vhd", say)
    with made.open("rb") as file:
        file.seek(-512, os.SEEK_END)
        footer = file.read()
    size = int.from_bytes(footer[48:56], "big")
    assert size == made.stat().st_size - 512
    assert size % (1 << 20) == 0
