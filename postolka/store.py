"""The content-addressed store: a directory of finished results that never change.

    KEY-NAME      a finished path; KEY is the first 32 hex digits of the hash of all its inputs
    .making/      what a build is writing at the moment, renamed into place when it is whole
    .locks/       one lock a key, so that two builds share a result and never make it twice
    .index/       fast keys (cheap hashes over raw input bytes) -> finished paths
    .used/        one stamp a path: its modification time is the path's last use
    .records/     one record a path: every file below it with its hash, as it was when finished
    .signatures/  signatures of images: NAME.FINGERPRINT of the key
    .roots/       one record a checkout and kind of result: what it builds at present

Contract: a path without a leading dot is complete, whatever was killed or crashed meanwhile.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from postolka import files, trees
from postolka.errors import PostolkaError
from postolka.run import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Hex digits of a key that stand in a store path's name.
KEY_LENGTH = 32
_FULL = {errno.ENOSPC, errno.EDQUOT}


def digest(data: object) -> str:
    """Return the SHA-256 of `data` (plain lists, dictionaries, strings, numbers) as canonical JSON.

    Raises TypeError for anything that JSON can't hold, so that no input is hashed by its repr.
    """
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


class Store:
    """A store in the directory `root`, which is made when it is first written to."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.asked: set[str] = set()
        """Names of the finished paths that this object has given out."""
        self.hashes: trees.Hashes = {}
        """Of the store's large files, which may have more than one name."""

    def path(self, name: str, key: str) -> Path:
        """Return where the result called `name` with inputs `key` is, or will be."""
        return self.root / f"{key[:KEY_LENGTH]}-{name}"

    def get(self, name: str, key: str) -> Path | None:
        """Return the finished path, or None."""
        return self._use(self.path(name, key))

    def _use(self, path: Path) -> Path | None:
        """Return a path if it is there; it isn't collected for the next hour."""
        if not path.exists():
            return None
        stamp = self.stamp(path.name)
        # Without the right to write, one can't collect either.
        with contextlib.suppress(PermissionError):
            stamp.parent.mkdir(parents=True, exist_ok=True)
            stamp.touch()
            self.asked.add(path.name)
        return path

    def stamp(self, name: str) -> Path:
        """Return the file whose modification time is the last use of the path called `name`."""
        return self.root / ".used" / name

    def realise(self, name: str, key: str, make: Callable[[Path], None]) -> Path:
        """Return the finished path, made by `make` if it isn't there yet.

        `make` gets a path that doesn't exist and leaves a file or a directory there. Whatever it
        raises, nothing stays. A second build with the same key waits for the first.
        """
        path = self.path(name, key)
        if self.get(name, key):
            return path
        with self._explained(), self.locked(key):
            if self.get(name, key):
                return path
            self._clean(key)
            making = self.root / ".making" / path.name
            making.parent.mkdir(parents=True, exist_ok=True)
            try:
                make(making)
                _finish(making)
                self._record(path.name, making)
                making.rename(path)
            except BaseException:
                with self._explained():
                    _remove(making)
                raise
            _sync(self.root)
            self._use(path)
        return path

    def remove(self, name: str) -> None:
        """Remove a finished path: whole or not at all, for whoever looks."""
        going = self.root / ".making" / name
        going.parent.mkdir(parents=True, exist_ok=True)
        with self.locked(name):
            if (self.root / name).exists():
                (self.root / name).rename(going)
            self.stamp(name).unlink(missing_ok=True)
            self.record(name).unlink(missing_ok=True)
            for signature in (self.root / ".signatures").glob(f"{name}.*"):
                signature.unlink()
            _remove(going)

    def record(self, name: str) -> Path:
        """Return where the record of the path called `name` is: JSON, as `trees.entries` tells."""
        return self.root / ".records" / name

    def signature(self, name: str, fingerprint: str) -> Path:
        """Return where the signature of the path called `name` by a key is."""
        return self.root / ".signatures" / f"{name}.{fingerprint}"

    def digest(self, name: str) -> str:
        """Return the hash of a finished path's record; one that has none gets it now."""
        record = self.record(name)
        if not record.exists():
            with self._explained():
                self._record(name, self.root / name)
        return hashlib.sha256(record.read_bytes()).hexdigest()

    def _record(self, name: str, path: Path) -> None:
        record = self.record(name)
        record.parent.mkdir(parents=True, exist_ok=True)
        entries = trees.entries(path.resolve(), self.hashes)
        files.replace(record, json.dumps(entries, separators=(",", ":")).encode())

    def remember(self, fast_key: str, name: str, path: Path) -> None:
        """Note that the inputs hashed to `fast_key` lead to the store path `path`."""
        index = self.root / ".index"
        with self._explained():
            index.mkdir(parents=True, exist_ok=True)
            files.replace(index / f"{fast_key[:KEY_LENGTH]}-{name}", path.name.encode())

    def recall(self, fast_key: str, name: str) -> Path | None:
        """Return the store path noted for `fast_key`, if it is still there."""
        entry = self.root / ".index" / f"{fast_key[:KEY_LENGTH]}-{name}"
        try:
            path = self.root / entry.read_text()
        except FileNotFoundError:
            return None
        return self._use(path)

    def keep(self, checkout: Path, path: Path, profile: str = "") -> None:
        """Note that `path` is what the checkout builds at present, of one profile."""
        kind = path.name.partition("-")[2]
        owner = str(checkout.resolve())
        record = self.root / ".roots" / f"{digest([owner, kind, profile])[:KEY_LENGTH]}.json"
        text = json.dumps({"checkout": owner, "profile": profile, "path": path.name})
        with contextlib.suppress(PermissionError, FileNotFoundError):
            if record.exists() and record.read_text() == text:
                return
            record.parent.mkdir(parents=True, exist_ok=True)
            files.replace(record, text.encode())

    def kept(self) -> Iterator[tuple[Path, Path, str, str]]:
        """Yield each such note: its file, the checkout, the profile, and the path's name."""
        for record in (self.root / ".roots").glob("*.json"):
            try:
                data = json.loads(record.read_text())
            except FileNotFoundError:
                # Another build's end has forgotten it at this moment.
                continue
            yield record, Path(data["checkout"]), data.get("profile", ""), data["path"]

    @contextlib.contextmanager
    def locked(self, key: str) -> Iterator[None]:
        """Hold the key's lock; the kernel drops it when the process dies."""
        locks = self.root / ".locks"
        locks.mkdir(parents=True, exist_ok=True)
        with (locks / key[:KEY_LENGTH]).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _clean(self, own_key: str) -> None:
        """Remove what killed builds left in .making; live builds hold their key's lock."""
        for left in sorted((self.root / ".making").glob("*")):
            if left.name.startswith(own_key[:KEY_LENGTH]):
                _remove(left)
                continue
            with (self.root / ".locks" / left.name[:KEY_LENGTH]).open("w") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                _remove(left)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn a full disk, however a step reports it, into an error that says so."""
        try:
            yield
        except (OSError, PostolkaError) as error:
            number = error.errno if isinstance(error, OSError) else None
            if number in _FULL or "No space left on device" in str(error):
                raise _full(self.root) from error
            if number in {errno.EACCES, errno.EPERM, errno.EROFS}:
                raise PostolkaError(
                    str(self.root), str(error), hint="run as root, or set POSTOLKA_HOME"
                ) from error
            raise


def _full(directory: Path) -> PostolkaError:
    free = shutil.disk_usage(directory).free >> 20
    return PostolkaError(
        str(directory),
        f"no space left on the disk ({free} MiB are free after cleaning up)",
        hint="free some space, or set POSTOLKA_HOME to a directory on a larger disk",
    )


def _finish(path: Path) -> None:
    """Write `path` out to the disk and take away write permission.

    Below a directory modes are content (they are part of a root file system), so only its own mode
    is changed there.
    """
    path.chmod(0o555 if path.is_dir() else 0o444)
    _sync(path)


def _sync(path: Path) -> None:
    """Make everything below `path` survive a power cut: syncfs(2) on its file system."""
    run(["sync", "--file-system", str(path)])


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
