"""All that a tree of files is made of, as plain data: for keys, and for the store's records.

An entry is [path, mode, owner, group, size, content, attributes]: `mode` with the file's type,
`content` the SHA-256 of a file, the target of a link or the number of a device, `attributes` the
extended ones as [name, hexadecimal]. Times are left out. Reads files, writes nothing.
"""

from __future__ import annotations

import concurrent.futures
import errno
import hashlib
import os
import stat
from io import FileIO
from pathlib import Path

Entry = list[object]
#: (device, inode) of a file that never changes -> its SHA-256.
Hashes = dict[tuple[int, int], str]

_WORTH_KEEPING = 1 << 20
_PER_JOB = 500
_BLOCK = 1 << 18
_ZEROS = bytes(_BLOCK)


def entries(top: Path, known: Hashes | None = None) -> list[Entry]:
    """Return the entry of `top`, a file or a directory, and of everything below it.

    Hashes of large files are looked up in `known`, and noted there. A deletion of an overlay is a
    device here, and an opaque directory an attribute.
    """
    # Names and not Path: that would take half of the time.
    whole, names = str(top), ["."]
    for parent, folders, files in os.walk(whole):
        folders.sort()
        below = parent[len(whole) + 1 :]
        names += [f"{below}/{name}" if below else name for name in sorted([*folders, *files])]
    hashes = {} if known is None else known
    jobs = [names[start : start + _PER_JOB] for start in range(0, len(names), _PER_JOB)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        done = pool.map(lambda job: [_entry(whole, name, hashes) for name in job], jobs)
        return [entry for job in done for entry in job]


def _entry(top: str, name: str, known: Hashes) -> Entry:
    path = top if name == "." else f"{top}/{name}"
    status = os.lstat(path)
    attributes = [
        [attribute, os.getxattr(path, attribute, follow_symlinks=False).hex()]
        for attribute in sorted(os.listxattr(path, follow_symlinks=False))
    ]
    return [
        name,
        status.st_mode,
        status.st_uid,
        status.st_gid,
        0 if stat.S_ISDIR(status.st_mode) else status.st_size,
        content(path, status, known),
        attributes,
    ]


def content(path: Path | str, status: os.stat_result, known: Hashes) -> str:
    """Return a file's SHA-256, a link's target or a device's number, as an entry has it."""
    if stat.S_ISLNK(status.st_mode):
        return str(Path(path).readlink())
    if not stat.S_ISREG(status.st_mode):
        return str(status.st_rdev)
    inode = (status.st_dev, status.st_ino)
    if inode in known:
        return known[inode]
    with FileIO(path) as file:
        found = _sha256(file, status.st_size)
    if status.st_size >= _WORTH_KEEPING:
        known[inode] = found
    return found


def _sha256(file: FileIO, size: int) -> str:
    """Return the SHA-256 of an open file. Holes aren't read: a disk image is mostly holes."""
    sink = hashlib.sha256()
    at = 0
    if size < _BLOCK:
        sink.update(file.read(size))
        return sink.hexdigest()
    while at < size:
        data = _seek(file, at, os.SEEK_DATA, size)
        for left in range(data - at, 0, -_BLOCK):
            sink.update(_ZEROS[:left])
        hole = _seek(file, data, os.SEEK_HOLE, size)
        file.seek(data)
        for left in range(hole - data, 0, -_BLOCK):
            sink.update(file.read(min(left, _BLOCK)))
        at = hole
    return sink.hexdigest()


def _seek(file: FileIO, start: int, what: int, size: int) -> int:
    """Return where the next data or the next hole begin; the file's end where there are none."""
    try:
        return file.seek(start, what)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        return size
