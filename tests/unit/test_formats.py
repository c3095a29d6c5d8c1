"""What qemu-img leaves to chance and to its clock is derived from the image."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from postolka import formats
from postolka.errors import PostolkaError

if TYPE_CHECKING:
    from pathlib import Path

_ID, _OTHER = "a" * 64, "b" * 64


def _vhd(path: Path, noise: bytes) -> Path:
    """Write a VHD of four bytes, with the date and the id that `noise` makes."""
    footer = bytearray(512)
    footer[:8] = b"conectix"
    footer[24:28] = noise[:4]
    footer[64:84] = noise[4:24]
    path.write_bytes(b"disk" + footer)
    return path


def test_vhds_footer_is_the_images(tmp_path: Path) -> None:
    """Date, id and checksum; every other byte stays."""
    paths = [_vhd(tmp_path / name, name.encode() * 24) for name in ("a", "b", "c")]
    for path, image_id in zip(paths, (_ID, _ID, _OTHER), strict=True):
        formats.settle_vhd(path, image_id, 946_684_800 + 258)
    first, again, other = (path.read_bytes() for path in paths)
    assert first == again != other
    assert first[:12] == b"diskconectix"
    footer = first[4:]
    date, checksum = struct.unpack(">24xI36xI444x", footer)
    assert date == 258
    assert checksum == ~(sum(footer) - sum(footer[64:68])) & 0xFFFFFFFF


def test_vmdks_content_id_is_the_images(tmp_path: Path) -> None:
    """The parent's, which says that there is none, stays."""
    text = "KDMV\0\n# Disk DescriptorFile\nCID={}\nparentCID=ffffffff\n"
    made = []
    for number, image_id in enumerate((_ID, _ID, _OTHER)):
        path = tmp_path / str(number)
        path.write_text(text.format(f"{number:08x}"))
        formats.settle_vmdk(path, image_id)
        made.append(path.read_text())
    assert made[0] == made[1] != made[2]
    assert made[0].endswith("\nparentCID=ffffffff\n")
    assert len(made[0]) == len(text.format("0" * 8))


def test_another_file_is_refused(tmp_path: Path) -> None:
    """A QEMU that writes another form makes an error, not a broken disk."""
    path = tmp_path / "disk"
    path.write_bytes(bytes(1024))
    with pytest.raises(PostolkaError, match="is no VHD"):
        formats.settle_vhd(path, _ID, 0)
    with pytest.raises(PostolkaError, match="is no VMDK"):
        formats.settle_vmdk(path, _ID)
    assert path.read_bytes() == bytes(1024)
