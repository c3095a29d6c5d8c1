"""Take out of a root what depends on when, where and how it was made.

What is listed here was found by comparing two independent builds byte for byte.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

#: Patterns below the root of files and directories that go; their parents stay.
REMOVED = (
    "build",
    "dev/*",
    "etc/*-",
    "etc/aliases.db",
    "etc/apt/apt.conf.d/99mmdebstrap",
    "etc/apt/sources.list",
    "etc/dpkg/dpkg.cfg.d/postolka",
    # mmdebstrap copies these two from the build host.
    "etc/hostname",
    "etc/resolv.conf",
    # Secrets that package scripts make: each machine makes its own.
    "etc/bind/rndc.key",
    "etc/postsrsd.secret",
    "etc/roundcube/config.inc.php",
    "etc/ssh/ssh_host_*",
    "etc/ssl/certs/ssl-cert-snakeoil.pem",
    "etc/ssl/private/ssl-cert-snakeoil.key",
    "run/*",
    "tmp/*",
    # None is unpacked; this is what scripts make of them all the same.
    "usr/share/info/*",
    "usr/share/lintian",
    "usr/share/locale/*/LC_MESSAGES",
    "usr/share/man/*",
    "var/cache/apt/*.bin",
    "var/cache/apt/archives/*",
    "var/cache/debconf/*-old",
    "var/cache/ldconfig/*",
    "var/lib/apt/lists/*",
    "var/lib/dbus/machine-id",
    "var/lib/dpkg/*-old",
    # A copy of the rules in /usr/share, which counts in their place, and a keyring with a date.
    "var/lib/spamassassin/*",
    "var/lib/systemd/random-seed",
    "var/log/alternatives.log",
    "var/log/apt",
    "var/log/bootstrap.log",
    "var/log/dpkg.log",
    "var/tmp/*",
)
_OVERLAY = "trusted.overlay."
#: Says that a directory hides the one below it.
_CONTENT = ("trusted.overlay.opaque",)


def root(path: Path, epoch: int) -> None:
    """Clean the root at `path` and give it the one date `epoch` (seconds since 1970)."""
    for pattern in REMOVED:
        for found in sorted(path.glob(pattern)):
            remove(found)
    _remove_documentation(path / "usr/share/doc")
    # Empty, not "uninitialized": that word makes systemd preset all units on each first boot.
    _write(path / "etc/machine-id", "")
    # systemd takes a root without these for one whose caches are to be rebuilt at boot.
    for directory in ("etc", "var"):
        _write(path / directory / ".updated", f"TIMESTAMP_NSEC={epoch * 10**9}\n")
    path.chmod(0o755)
    for where, folders, files in os.walk(path, topdown=False):
        for name in [*files, *folders]:
            _settle(Path(where, name), epoch)
    _settle(path, epoch)


def upper(path: Path, epoch: int) -> None:
    """Give everything in an overlay's upper side the date `epoch`, where it is younger.

    What the overlay noted for itself goes: inode numbers of the files below, and an id of its own.
    """
    for where, folders, files in os.walk(path, topdown=False):
        for name in [*files, *folders]:
            _settle(Path(where, name), epoch, keep=_CONTENT)
    _settle(path, epoch, keep=_CONTENT)


def _write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o644)  # whatever the caller's umask


def remove(path: Path) -> None:
    """Remove a file or a whole directory, whichever it is."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _remove_documentation(directory: Path) -> None:
    """Keep each package's copyright file, which its licence may ask for."""
    for package in sorted(directory.iterdir()):
        if package.is_symlink() or not package.is_dir():
            continue
        for found in sorted(package.iterdir()):
            if found.name != "copyright":
                remove(found)


def _settle(path: Path, epoch: int, keep: Collection[str] = ()) -> None:
    """Clamp the date, and drop what the build's overlay noted, except the attributes `keep`."""
    for name in os.listxattr(path, follow_symlinks=False):
        if name.startswith(_OVERLAY) and name not in keep:
            with contextlib.suppress(FileNotFoundError):
                os.removexattr(path, name, follow_symlinks=False)
    if path.lstat().st_mtime_ns > epoch * 10**9:
        os.utime(path, (epoch, epoch), follow_symlinks=False)
