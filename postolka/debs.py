"""The cache of locked .deb files: home.debs()/SHA256.deb, verified on arrival and before use.

The host's apt fetches, so its proxies and credentials apply, but no index is involved: what
arrives is a locked package or nothing.
"""

from __future__ import annotations

import concurrent.futures
import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from postolka import mirrors
from postolka.errors import PostolkaError, Problem, ProblemsError
from postolka.lock import REFRESH
from postolka.run import CommandError, run

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from postolka.lock import Package

#: Unreferenced .deb files are evicted, oldest use first, until the cache is below this.
LIMIT_BYTES = 3 << 29
_HELPER = "/usr/lib/apt/apt-helper"
#: Suffix of the file beside a .deb that holds its control data, once somebody has read them.
CONTROL = ".control"
_UNTIL_WE_DIE = ("setpriv", "--pdeathsig", "KILL", "--")
_OPTIONS = ("-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=2")
_WORKERS = 4
_BATCH = 8
_MIB = 1 << 20
_GONE = "is no longer there"
_NEXT = (
    f"Debian's snapshot service may still have them: name its archive by {mirrors.SNAPSHOT}; "
    f"or move to today's packages: {REFRESH}"
)
_OTHER = "arrived with another content than the locked one"


class UnavailableError(ProblemsError):
    """Packages that no source has as the lock names them; another lock may help."""


class Debs:
    """The cache in `directory`; `snapshots`: further mirrors by archive (`mirrors.snapshots`)."""

    def __init__(self, directory: Path, snapshots: Mapping[str, str] | None = None) -> None:
        self.directory = directory
        self._snapshots = snapshots or {}

    def path(self, package: Package) -> Path:
        """Return where the package's file is, once it has been fetched."""
        return self.directory / f"{package.sha256}.deb"

    def fetch(self, packages: Collection[Package], progress: Callable[[str], None]) -> None:
        """Make every package's file present and verified.

        Raises UnavailableError naming each package that the mirror doesn't have as locked.
        """
        present = self._verified([p for p in packages if self.path(p).exists()])
        missing = sorted(set(packages) - present)
        if not missing:
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / ".lock").open("w") as lock:
            # Another build may be fetching the same: wait, then fetch what is still missing.
            fcntl.flock(lock, fcntl.LOCK_EX)
            for left in self.directory.glob(".fetching-*"):
                shutil.rmtree(left)
            missing = [package for package in missing if not self.path(package).exists()]
            _check_room(self.directory, missing)
            if missing:
                self._download(missing, progress)
            self.evict(packages)

    def export(
        self, packages: Collection[Package], directory: Path, progress: Callable[[str], None]
    ) -> None:
        """Make `directory` a mirror of the packages: ARCHIVE/pool/...; what is right there stays.

        Raises UnavailableError as `fetch`.
        """
        self.fetch(packages, progress)
        directory.mkdir(parents=True, exist_ok=True)
        wanted = {directory / p.archive / p.path: p for p in packages}
        missing = [p for to, p in wanted.items() if not to.exists() or sha256(to) != p.sha256]
        _check_room(directory, missing)
        for package in missing:
            to = directory / package.archive / package.path
            to.parent.mkdir(parents=True, exist_ok=True)
            new = to.with_name(f".{to.name}.new")
            shutil.copyfile(self.path(package), new)
            new.rename(to)

    def evict(self, keep: Iterable[Package], limit_bytes: int | None = None) -> None:
        """Remove files that aren't in `keep`, oldest use first, until the cache is small enough."""
        limit = LIMIT_BYTES if limit_bytes is None else limit_bytes
        kept = {self.path(package) for package in keep}
        files = [(path, path.stat()) for path in self.directory.glob("*.deb")]
        total = sum(status.st_size for _, status in files)
        for path, status in sorted(files, key=lambda item: (item[1].st_mtime_ns, item[0])):
            if total <= limit:
                break
            if path not in kept:
                path.unlink(missing_ok=True)
                path.with_suffix(CONTROL).unlink(missing_ok=True)
                total -= status.st_size

    def _verified(self, packages: Iterable[Package]) -> set[Package]:
        """Return those whose cached file has the locked hash; a file that hasn't is removed."""
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            checked = list(pool.map(lambda p: (p, sha256(self.path(p)) == p.sha256), packages))
        for package, is_right in checked:
            if is_right:
                os.utime(self.path(package))  # eviction goes by the last use
            else:
                self.path(package).unlink(missing_ok=True)
        return {package for package, is_right in checked if is_right}

    def _download(self, packages: Sequence[Package], progress: Callable[[str], None]) -> None:
        """Fetch from the mirror, then what it doesn't have as locked from the snapshot service."""
        failed = self._from("the mirror", mirrors.find(), packages, progress)
        where, hint = "the mirror", _NEXT
        if failed and self._snapshots:
            progress(f"asking the snapshot service for {len(failed)} packages")
            failed = self._from("the snapshot service", self._snapshots, sorted(failed), progress)
            where, hint = "the mirror and the snapshot service", REFRESH
        if failed:
            problems = [Problem(p.name, f"{p.version}: {why}") for p, why in failed.items()]
            raise UnavailableError(where, problems, hint=hint)

    def _from(
        self,
        where: str,
        addresses: Mapping[str, str],
        packages: Sequence[Package],
        progress: Callable[[str], None],
    ) -> dict[Package, str]:
        """Fetch packages; return why those failed that the place `where` doesn't have as locked."""
        total = sum(package.size for package in packages)
        batches = [packages[i : i + _BATCH] for i in range(0, len(packages), _BATCH)]
        done = 0
        failed: dict[Package, str] = {}
        with (
            tempfile.TemporaryDirectory(prefix=".fetching-", dir=self.directory) as directory,
            concurrent.futures.ThreadPoolExecutor(_WORKERS) as pool,
        ):
            jobs = {
                pool.submit(self._batch, batch, addresses, Path(directory)): batch
                for batch in batches
            }
            try:
                for job in concurrent.futures.as_completed(jobs):
                    failed |= job.result()
                    done += sum(package.size for package in jobs[job])
                    progress(f"fetching packages: {done // _MIB} of {total // _MIB} MiB")
            finally:
                pool.shutdown(cancel_futures=True)
        lost = {package: why for package, why in failed.items() if why not in (_GONE, _OTHER)}
        if lost:
            package, why = min(lost.items())
            problem = (
                f"{len(lost)} of {len(packages)} packages didn't arrive; {package.name}: {why}"
            )
            raise PostolkaError(where, problem, hint="check the network, then try again")
        return failed

    def _batch(
        self, packages: Sequence[Package], addresses: Mapping[str, str], directory: Path
    ) -> dict[Package, str]:
        """Fetch some packages with one connection; return why those failed that did."""
        words = []
        for package in packages:
            new = directory / f"{package.sha256}.deb"
            address = addresses[package.archive] + package.path
            words += [address, str(new), f"SHA256:{package.sha256}"]
        said = ""
        try:
            run([*_UNTIL_WE_DIE, _HELPER, *_OPTIONS, "download-file", *words])
        except CommandError as error:
            said = error.output
        failed = {}
        for package in packages:
            new = directory / f"{package.sha256}.deb"
            if new.exists() and sha256(new) == package.sha256:
                new.chmod(0o644)
                new.rename(self.path(package))
            else:
                why = _reason(package, said)
                # apt 3.0 has no word for another hash where its method `copy` was at work.
                arrived = why == "Undetermined Error" and new.exists()
                failed[package] = _OTHER if arrived else why
        return failed


def _check_room(directory: Path, packages: Sequence[Package]) -> None:
    size = sum(package.size for package in packages)
    free = shutil.disk_usage(directory).free
    if free < size:
        raise PostolkaError(
            str(directory),
            f"{size // _MIB} MiB of packages are to be written, and {free // _MIB} MiB are free",
            hint="free some space, or take a directory on a larger disk (POSTOLKA_HOME)",
        )


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _reason(package: Package, said: str) -> str:
    """Return why a package didn't arrive, from what apt said about its batch."""
    for address, why in re.findall(r"^E: Failed to fetch (\S+)  (.*)$", said, re.MULTILINE):
        if not unquote(address).endswith(package.path):
            continue
        if re.match(r"404|410|File not found|Failed to stat", why):
            return _GONE
        if re.match(r"Hash Sum mismatch|File has unexpected size", why):
            return _OTHER
        return str(why)
    return "apt said nothing about it"
