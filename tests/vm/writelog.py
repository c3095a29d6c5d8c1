"""QEMU's log of what was written to a disk (blklogwrites), in the form of dm-log-writes.

https://docs.kernel.org/admin-guide/device-mapper/log-writes.html: sectors of 512 bytes, the first
tells the form; then for each write a sector with its place, and the data.
"""

from __future__ import annotations

import mmap
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_SECTOR = 512
_MAGIC = 0x6A736677736872
_FLUSH, _DISCARD = 1, 4


def replay(log: Path, disk: Path) -> int:
    """Write to `disk`, raw and as it was before, what was flushed; return how many writes weren't.

    A disk that loses its cache with its power keeps what came before the last flush, at least.
    """
    with log.open("rb") as source, mmap.mmap(source.fileno(), 0, prot=mmap.PROT_READ) as data:
        (magic,) = struct.unpack_from("<Q", data)
        assert magic == _MAGIC
        writes: list[tuple[int, int, int]] = []
        kept, at = 0, _SECTOR
        while at + _SECTOR <= len(data):
            sector, count, flags = struct.unpack_from("<QQQ", data, at)
            at += _SECTOR
            if not count and not flags:
                # Its write was still under way, and so were all that follow.
                break
            if flags & _FLUSH:
                kept = len(writes)
            if flags & _DISCARD:
                # What is there may stay.
                continue
            length = count * _SECTOR
            # A log that was cut off has no whole write at its end.
            if count and at + length <= len(data):
                writes.append((sector, at, length))
            at += length
        with disk.open("r+b") as target:
            for sector, start, length in writes[:kept]:
                target.seek(sector * _SECTOR)
                target.write(data[start : start + length])
    return len(writes) - kept
