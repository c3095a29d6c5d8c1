"""An image's disk in the forms that clouds and hypervisors take: store paths, made where asked for.

    raw     disk.raw, as every image has it
    qcow2   for QEMU and OpenStack, compressed by zstd
    vhd     for Azure: of fixed size, whole MiB
    vmdk    for VMware: streamOptimized, as it goes into an OVF

qemu-img of the image's own tools root makes them. What it takes from its clock or from chance is
derived from the image instead, so that the same image has the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
import uuid
from typing import TYPE_CHECKING

from postolka import build, papers
from postolka.errors import PostolkaError
from postolka.store import digest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from postolka.build import Built
    from postolka.store import Store

#: Raised when this module makes another result from the same image.
FORMAT = 1
RAW = "raw"
# Name -> qemu-img's options. qcow2's zstd takes a QEMU of 5.1 or later.
_OPTIONS = {
    "qcow2": ("-c", "-O", "qcow2", "-o", "compat=1.1,compression_type=zstd"),
    # Without force_size a disk's size is rounded to one that cylinders and heads make.
    "vhd": ("-O", "vpc", "-o", "subformat=fixed,force_size=on"),
    "vmdk": ("-O", "vmdk", "-o", "subformat=streamOptimized,adapter_type=lsilogic"),
}
NAMES = (RAW, *_OPTIONS)

# The last sector of a VHD: its date counts from 2000, its checksum is over all other bytes.
# https://learn.microsoft.com/en-us/windows/win32/vstor/about-vhd
_FOOTER_BYTES = 512
_VHD_DATE, _VHD_SUM, _VHD_ID = slice(24, 28), slice(64, 68), slice(68, 84)
_YEAR_2000 = 946_684_800
# The header of a VMDK says, in sectors, where its descriptor begins and how long it is: a text up
# to the first NUL. CID in it is what a snapshot knows its parent by. qemu-img writes it twice,
# without leading zeros, and leaves behind the NUL what a longer first one had there.
# https://github.com/libyal/libvmdk/tree/main/documentation
_VMDK_HEADER = struct.Struct("<28xQQ")
_SECTOR_BYTES = 512
_CID = re.compile(rb"\nCID=([0-9a-f]{1,8})\n")


def realise(store: Store, built: Built, name: str, progress: Callable[[str], None]) -> Path:
    """Return the file that has the image's disk in the format `name`, one of NAMES.

    Raises PostolkaError where the image has no disk or no tools root any more, or for a user who
    can't make what isn't there yet.
    """
    if not built.disk:
        raise PostolkaError(str(built.path), "has no disk", hint="postolka build")
    if name == RAW:
        return built.disk
    disk = built.disk
    options = _OPTIONS[name]

    def make(out: Path) -> None:
        if os.geteuid():
            problem = "a disk can only be converted as root"
            raise PostolkaError("build", problem, hint=f"sudo postolka build --format {name}")
        progress(f"{name}: writing the disk")
        out.mkdir()
        build.toolbox(built).run(
            ["qemu-img", "convert", "-f", "raw", *options, "/disk.raw", f"/out/disk.{name}"],
            binds={"/disk.raw": disk},
            writes={"/out": out},
        )
        (out / f"disk.{name}").chmod(0o644)
        if name == "vhd":
            epoch = papers.read(built.path)["lock"]["source_date_epoch"]
            settle_vhd(out / "disk.vhd", built.id, epoch)
        elif name == "vmdk":
            settle_vmdk(out / "disk.vmdk", built.id)

    key = digest(["format", FORMAT, name, options, built.id])
    return store.realise(name, key, make) / f"disk.{name}"


def settle_vhd(path: Path, image_id: str, epoch: int) -> None:
    """Give a VHD of fixed size the id that its image's id makes, and the date `epoch`."""
    with path.open("r+b") as file:
        file.seek(-_FOOTER_BYTES, os.SEEK_END)
        footer = bytearray(file.read())
        if not footer.startswith(b"conectix"):
            raise PostolkaError(str(path), "is no VHD")
        footer[_VHD_DATE] = (epoch - _YEAR_2000).to_bytes(4, "big")
        footer[_VHD_ID] = uuid.uuid5(uuid.NAMESPACE_OID, f"{image_id} vhd").bytes
        footer[_VHD_SUM] = bytes(4)
        footer[_VHD_SUM] = (~sum(footer) & 0xFFFFFFFF).to_bytes(4, "big")
        file.seek(-_FOOTER_BYTES, os.SEEK_END)
        file.write(footer)


def settle_vmdk(path: Path, image_id: str) -> None:
    """Give a VMDK the content id that its image's id makes."""
    with path.open("r+b") as file:
        start = file.read(_VMDK_HEADER.size)
        if len(start) < _VMDK_HEADER.size or not start.startswith(b"KDMV"):
            raise PostolkaError(str(path), "is no VMDK")
        offset, size = (_SECTOR_BYTES * number for number in _VMDK_HEADER.unpack(start))
        file.seek(offset)
        text = file.read(size).partition(b"\0")[0]
        # Not ffffffff, which means that there is no parent.
        cid = b"0" + hashlib.sha256(f"{image_id} vmdk".encode()).hexdigest()[:7].encode()
        text, found = _CID.subn(b"\nCID=" + cid + b"\n", text, count=1)
        if not found or len(text) > size:
            raise PostolkaError(str(path), "is a VMDK without room for a content id")
        file.seek(offset)
        file.write(text.ljust(size, b"\0"))
