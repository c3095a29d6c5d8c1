"""What the store holds, who needs it, and the removal of what nobody does.

A generation is a finished image, or the root of one. A root is a reason to keep a generation with
all its layers: a checkout that builds it at present, or a process that has something of it open.
Whatever was used within the last hour stays, too: a build or a machine may be about to open it.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from postolka import generation
from postolka.errors import PostolkaError
from postolka.generation import NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from postolka.generation import Want
    from postolka.store import Store

#: A path that was used less than this ago stays.
GRACE_SECONDS = 3600
_DEFAULT_LIMIT_GIB = 12
_LIMIT = "POSTOLKA_STORE_GIB"
_PATTERN = r"[0-9a-f]{32}-[a-z0-9-]+"


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """A finished image, or the root of one, in the store."""

    id: str
    """The image's id."""
    want: Want
    path: Path
    made: float
    """When it was made, in seconds since the epoch."""
    used: float
    """When it was last built or booted."""
    size: int
    """Bytes on the disk with all its layers, which others may share."""
    needs: frozenset[str]
    """Names of its store path and of those of its layers."""
    roots: tuple[str, ...]
    """Why it stays: paths of checkouts, and `in use`."""


def generations(store: Store) -> list[Generation]:
    """Return every generation, the one used last first."""
    return _generations(store, _opened(store))


def _generations(store: Store, opened: set[str]) -> list[Generation]:
    by_name = {name: want for want, name in NAMES.items()}
    rooted = _rooted(store)
    found = []
    for path in paths(store):
        want = by_name.get(path.name.partition("-")[2])
        if want is None:
            continue
        data = generation.manifest(path)
        needs = generation.needs(path, data)
        roots = tuple(sorted(rooted.get(path.name, ())))
        found.append(
            Generation(
                id=data["id"],
                want=want,
                path=path,
                made=path.stat().st_mtime,
                used=_used(store, path.name),
                size=sum(_size(store, name) for name in needs),
                needs=needs,
                roots=(*roots, "in use") if needs & opened else roots,
            )
        )
    return sorted(found, key=lambda one: (-one.used, one.id))


def collect(
    store: Store,
    *,
    keep: int = 0,
    older_than_seconds: float = 0,
    limit_bytes: int = 0,
    dry: bool = False,
) -> list[tuple[str, int]]:
    """Remove what nobody needs; return the name and the bytes of each path that went.

    `keep` generations stay besides those with a root, and whatever was used within the last
    `older_than_seconds` (or within the last hour). It goes by the last use, the oldest first, and
    only until the store is smaller than `limit_bytes`. With `dry` nothing is removed.
    """
    if os.geteuid():
        raise PostolkaError(str(store.root), "only root can see what is in use", hint="sudo …")
    names = [path.name for path in paths(store)]
    total = sum(_size(store, name) for name in names)
    if total < limit_bytes:
        return []
    opened = _opened(store)
    known = _generations(store, opened)
    stay = set(opened)
    for one in [*known[:keep], *(one for one in known if one.roots)]:
        stay |= one.needs
    youngest = time.time() - max(GRACE_SECONDS, older_than_seconds)
    gone: list[tuple[str, int]] = []
    for name in sorted(set(names) - stay, key=lambda name: _used(store, name)):
        if total < limit_bytes or _used(store, name) > youngest:
            break
        size = _size(store, name)
        gone.append((name, size))
        total -= size
    lost = {name for name, _ in gone}
    # A generation without its layers is none.
    gone += [(one.path.name, 0) for one in known if one.needs & lost and one.path.name not in lost]
    for name, _ in () if dry else gone:
        store.remove(name)
    if not dry:
        _forget(store)
    return gone


def discard(store: Store, names: set[str]) -> list[str]:
    """Remove the paths called `names` and every image that needs one; return what went.

    Raises PostolkaError where a process uses one of them.
    """
    if used := sorted(names & _opened(store)):
        raise PostolkaError(used[0], "is in use", hint="stop what runs: postolka vm list")
    lost = {one.path.name for one in generations(store) if one.needs & names}
    gone = sorted(name for name in names | lost if (store.root / name).exists())
    for name in gone:
        store.remove(name)
    _forget(store)
    return gone


def trim(store: Store) -> list[tuple[str, int]]:
    """Keep the store below its limit: POSTOLKA_STORE_GIB (default: 12)."""
    text = os.environ.get(_LIMIT) or str(_DEFAULT_LIMIT_GIB)
    if not text.isdecimal():
        raise PostolkaError(_LIMIT, f'"{text}" is not a whole number of GiB')
    return collect(store, limit_bytes=int(text) << 30)


def paths(store: Store) -> list[Path]:
    """Return every finished path, by name."""
    return sorted(path for path in store.root.glob("*") if re.fullmatch(_PATTERN, path.name))


def _used(store: Store, name: str) -> float:
    """Return when a path was last used; one without a stamp hasn't been since it was made."""
    for path in (store.stamp(name), store.root / name):
        with contextlib.suppress(FileNotFoundError):
            return path.stat().st_mtime
    return 0.0


def _size(store: Store, name: str) -> int:
    """Return the bytes that a path has on the disk; it never changes, so its stamp remembers."""
    stamp = store.stamp(name)
    with contextlib.suppress(FileNotFoundError, ValueError):
        return int(stamp.read_text())
    path = store.root / name
    try:
        size = sum(_allocated(below) for below in (path, *path.rglob("*")))
    except FileNotFoundError:
        # Another build's end removes it at this moment.
        return 0
    with contextlib.suppress(PermissionError):
        used = _used(store, name)
        stamp.parent.mkdir(exist_ok=True)
        stamp.write_text(str(size))
        os.utime(stamp, (used, used))
    return size


def _allocated(path: Path) -> int:
    """Return the bytes that a file takes; of one with several names, a name's part of them."""
    status = path.lstat()
    return status.st_blocks * 512 // (1 if stat.S_ISDIR(status.st_mode) else status.st_nlink)


def _rooted(store: Store) -> dict[str, set[str]]:
    """Return the checkouts that build a path at present; those that are gone have no say."""
    found: dict[str, set[str]] = {}
    for _, checkout, profile, name in store.kept():
        if checkout.is_dir():
            label = f"{checkout} ({profile})" if profile else str(checkout)
            found.setdefault(name, set()).add(label)
    return found


def _opened(store: Store) -> set[str]:
    """Return the names of the paths that some process has open, mounted, or on its command line."""
    roots = {str(store.root.absolute()), str(store.root.resolve())}
    mark = re.compile(f"(?:{'|'.join(map(re.escape, roots))})/({_PATTERN})".encode())
    found: set[str] = set()
    namespaces: set[str] = set()
    for process in Path("/proc").glob("[0-9]*"):
        for text in _mentions(process, namespaces):
            found |= {name.decode() for name in mark.findall(text)}
    return found


def _mentions(process: Path, seen: set[str]) -> Iterator[bytes]:
    """Yield what may name a path: arguments, open files, and mounts, each namespace's once."""
    # A process may end, and take these files with it, at any moment.
    with contextlib.suppress(OSError):
        yield (process / "cmdline").read_bytes()
    with contextlib.suppress(OSError):
        namespace = str((process / "ns/mnt").readlink())
        if namespace not in seen:
            yield (process / "mountinfo").read_bytes()
            seen.add(namespace)
    links: Iterable[Path] = ()
    with contextlib.suppress(OSError):
        links = list((process / "fd").iterdir())
    for link in links:
        with contextlib.suppress(OSError):
            yield os.fsencode(link.readlink())


def _forget(store: Store) -> None:
    """Remove what points to nothing: notes of fast keys, stamps, checkouts that are gone."""
    for entry in (store.root / ".index").glob("[!.]*"):
        # Another build's end may forget it at this moment.
        with contextlib.suppress(FileNotFoundError):
            if not (store.root / entry.read_text()).exists():
                entry.unlink()
    for record in (store.root / ".records").glob("[!.]*"):
        if not (store.root / record.name).exists():
            # Unless a build has just written it and is about to move its path in.
            with store.locked(record.name):
                if not (store.root / record.name).exists():
                    record.unlink(missing_ok=True)
    for record, checkout, _, name in store.kept():
        if not checkout.is_dir() or not (store.root / name).exists():
            record.unlink(missing_ok=True)
