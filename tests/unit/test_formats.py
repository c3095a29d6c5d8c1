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


def _vmdk(path: Path, cid: str, left: str = "", sectors: int = 1) -> Path:
    """Write a VMDK of a header, a descriptor that says `cid` and has `left` behind it, and data."""
    header = struct.pack("<4s24xQQ", b"KDMV", 1, sectors)
    text = f"# Disk DescriptorFile\nversion=1\nCID={cid}\nparentCID=ffffffff\n\0{left}"
    path.write_bytes(header.ljust(512, b"\0") + text.encode().ljust(sectors * 512, b"\0") + b"disk")
    return path


def test_vmdks_content_id_is_the_images(tmp_path: Path) -> None:
    """However many digits qemu-img wrote, and whatever it left; every other byte stays."""
    paths = [
        _vmdk(tmp_path / "first", "fedcba98"),
        _vmdk(tmp_path / "short", "fedcba9"),
        _vmdk(tmp_path / "shorter", "0", left="a\n"),
        _vmdk(tmp_path / "other", "fedcba98"),
    ]
    for path, image_id in zip(paths, (_ID, _ID, _ID, _OTHER), strict=True):
        formats.settle_vmdk(path, image_id)
    first, short, shorter, other = (path.read_bytes() for path in paths)
    assert first == short == shorter != other
    cid = first.partition(b"\nCID=")[2][:8].decode()
    assert first == _vmdk(tmp_path / "made", cid).read_bytes()


def test_another_file_is_refused(tmp_path: Path) -> None:
    """A QEMU that writes another form makes an error, not a broken disk."""
    path = tmp_path / "disk"
    path.write_bytes(bytes(1024))
    with pytest.raises(PostolkaError, match="is no VHD"):
        formats.settle_vhd(path, _ID, 0)
    with pytest.raises(PostolkaError, match="is no VMDK"):
        formats.settle_vmdk(path, _ID)
    assert path.read_bytes() == bytes(1024)


@pytest.mark.parametrize(("cid", "sectors"), [("1", 0), ("", 1), ("z", 1)])
def test_descriptor_of_another_form_is_refused(cid: str, sectors: int, tmp_path: Path) -> None:
    """Without room, or without a content id: what follows it is never written over."""
    path = _vmdk(tmp_path / "disk.vmdk", cid, sectors=sectors)
    before = path.read_bytes()
    with pytest.raises(PostolkaError, match="without room for a content id"):
        formats.settle_vmdk(path, _ID)
    assert path.read_bytes() == before
