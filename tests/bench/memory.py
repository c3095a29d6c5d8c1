"""How much memory the children of this process take at most, with all that they start.

Counted are each process's share of what is mapped (proc(5), Pss in smaps_rollup) and what lies in
file systems of memory that they have mounted. The page cache isn't: it goes where memory is wanted.
Somebody who looks now and then may miss a peak that is shorter than the time between two looks.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import re
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from postolka.processes import Process

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SECONDS = 0.1
_SHARE = re.compile(r"^Pss:\s+(\d+) kB$", re.MULTILINE)


@dataclass(slots=True)
class Peak:
    """The most that was seen so far."""

    size_bytes: int = 0
    _end: threading.Event = field(default_factory=threading.Event)

    def look(self) -> None:
        """Look again and again until the end."""
        own = Process.of(os.getpid())
        others = {device for device, _ in tmpfs(_read(Path("/proc/self/mountinfo")))}
        while not self._end.wait(_SECONDS):
            processes = [child.pid for child in own.descendants()]
            self.size_bytes = max(self.size_bytes, _size(processes, others))

    def stop(self) -> None:
        """Look no more."""
        self._end.set()


@contextlib.contextmanager
def watched() -> Iterator[Peak]:
    """Watch the children that run during the block."""
    peak = Peak()
    with concurrent.futures.ThreadPoolExecutor(1) as beside:
        looking = beside.submit(peak.look)
        try:
            yield peak
        finally:
            peak.stop()
        # Raises what has ended it early.
        looking.result()


def share(rollup: str) -> int:
    """Return the bytes that smaps_rollup says are a process's own. Pure."""
    found = _SHARE.search(rollup)
    return int(found[1]) << 10 if found else 0


def tmpfs(mountinfo: str) -> Iterator[tuple[int, str]]:
    """Yield the mounts of file systems of memory: device and mount point. Pure."""
    for line in mountinfo.splitlines():
        mount, _, source = line.partition(" - ")
        if source.startswith("tmpfs "):
            _, _, device, _, point, *_ = mount.split()
            major, _, minor = device.partition(":")
            yield os.makedev(int(major), int(minor)), point


def _size(processes: Iterable[int], others: set[int]) -> int:
    """Return what the processes take; `others`: devices that are not theirs."""
    total = 0
    devices, views = set(others), set()
    for folder in (Path("/proc", str(pid)) for pid in processes):
        total += share(_read(folder / "smaps_rollup"))
        with contextlib.suppress(OSError):
            root = (folder / "root").stat()
            view = ((folder / "ns/mnt").stat().st_ino, root.st_dev, root.st_ino)
            if view in views:
                continue
            views.add(view)
            for device, point in tmpfs(_read(folder / "mountinfo")):
                where = folder / "root" / point.lstrip("/")
                # Something else may be mounted over it.
                if device not in devices and where.stat().st_dev == device:
                    devices.add(device)
                    usage = os.statvfs(where)
                    total += (usage.f_blocks - usage.f_bfree) * usage.f_frsize
    return total


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        # It has ended meanwhile.
        return ""
