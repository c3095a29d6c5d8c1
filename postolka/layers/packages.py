"""The package layer: a root in which every locked package of the image is installed.

A store path with the directory `root/`. mmdebstrap makes it in the tools root, without a network,
from a repository of the locked packages alone. Same lock, users and answers: same bytes.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from postolka import clock
from postolka.errors import Problem, ProblemsError
from postolka.layers import accounts, clean, repository, standins
from postolka.lock import REFRESH
from postolka.store import digest
from postolka.tools import TAR_OPTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from postolka.debs import Debs
    from postolka.lock import Lock
    from postolka.store import Store
    from postolka.tools import Tools
    from pyinfra_deploys.room import User

NAME = "packages"
#: Raised when this module makes another root from the same inputs and scripts.
FORMAT = 2

# What dpkg leaves out, and how it works: removed again by clean.py.
# path-exclude as an option of mmdebstrap would make its own unpacking ten times slower.
_DPKG = """\
path-exclude=/usr/share/man/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/lintian/*
path-exclude=/usr/share/locale/*
path-include=/usr/share/doc/*/copyright
path-include=/usr/share/locale/locale.alias
force-unsafe-io
"""

# Nothing starts while packages are installed.
_POLICY = "#!/bin/sh\nexit 101\n"

# $1 of each hook is the root. An overlay with the option volatile ignores fsync(2): dpkg calls it
# some thousand times, and the store writes the whole path out at its end anyway.
_MOUNT = """\
set -eu
mkdir -p /build/out/root /build/out/work /build/empty /build/root
sides=lowerdir=/build/empty,upperdir=/build/out/root,workdir=/build/out/work
mount -t overlay -o "$sides,volatile" postolka /build/root
# postconf and newaliases wait for a network interface, seconds a call.
ip link set lo up
exec "$@"
"""
_SETUP = f"""\
set -eu
# apt takes packages from there without copying them.
mkdir -p "$1/build/repository"
mount --rbind /build/repository "$1/build/repository"
mkdir -p "$1/dev" "$1/etc/dpkg/dpkg.cfg.d" "$1/usr/sbin"
cp /build/files/passwd "$1/etc/passwd"
cp /build/files/group "$1/etc/group"
cp /build/files/dpkg "$1/etc/dpkg/dpkg.cfg.d/postolka"
# Where scripts make and delete small files all the time: in memory, back on the disk at the end.
for busy in lib/dpkg cache/debconf; do
    mkdir -p "$1/var/$busy" "/build/busy/$busy"
    cp -a "$1/var/$busy/." "/build/busy/$busy"
    mount --bind "/build/busy/$busy" "$1/var/$busy"
done
{clock.ENTER_INNER}"""
_ESSENTIAL = """\
set -eu
install -m 0755 /build/files/policy-rc.d "$1/usr/sbin/policy-rc.d"
chroot "$1" debconf-set-selections </build/files/debconf
"""
_CUSTOMIZE = """\
rm "$1/usr/sbin/policy-rc.d"
umount --recursive "$1/build/repository"
for busy in lib/dpkg cache/debconf; do
    umount "$1/var/$busy"
    rm -r "$1/var/$busy"
    cp -a "/build/busy/$busy" "$1/var/$busy"
done
"""


def key(lock: Lock, tools: Tools, users: Sequence[User], debconf: Sequence[str]) -> str:
    """Return the hash of all that the layer is made from."""
    return digest(
        {
            "layer": NAME,
            "format": FORMAT,
            "epoch": lock.source_date_epoch,
            "tools": tools.key,
            "scripts": [_DPKG, TAR_OPTIONS, _POLICY, _MOUNT, _SETUP, _ESSENTIAL, _CUSTOMIZE],
            "standins": [standins.PROGRAMS, standins.PLACE, standins.FINISH],
            "removed": clean.REMOVED,
            "names": sorted(lock.wanted["image"]),
            "packages": [[p.name, p.version, p.architecture, p.sha256] for p in lock.of("image")],
            "users": [asdict(user) for user in users],
            "debconf": list(debconf),
        }
    )


def realise(  # noqa: PLR0913 - each is one input of the layer
    lock: Lock,
    tools: Tools,
    users: Sequence[User],
    debconf: Sequence[str],
    *,
    store: Store,
    debs: Debs,
    log: Path,
    progress: Callable[[str], None],
) -> Path:
    """Return the layer's store path, made if it isn't there.

    mmdebstrap's words go to a log of their own beside `log`, which stays where it fails.
    Raises CommandError with the end of the log, and ProblemsError for accounts without a pinned
    id or packages that nothing needs.
    """

    def make(path: Path) -> None:
        packages = lock.of("image")
        debs.fetch(packages, progress)
        progress(f"installing {len(packages)} packages")
        files = path / "files"
        files.mkdir(parents=True)
        _write(files, tools, users, debconf)
        repository.write(packages, debs, path / "repository", lock.source_date_epoch)
        # Other layers write to the build's log meanwhile; an error shows the end of its own.
        own_log = log.with_name(f"{log.stem}-{NAME}.log")
        own_log.parent.mkdir(parents=True, exist_ok=True)
        own_log.write_bytes(b"")
        tools.run(
            ["sh", "-c", _MOUNT, "mount", *_mmdebstrap(sorted(lock.wanted["image"]))],
            binds={
                "/build/files": files,
                "/build/repository": path / "repository",
                f"/build/repository/{repository.POOL}": debs.directory,
            },
            writes={"/build/out": path},
            environment={
                "SOURCE_DATE_EPOCH": str(lock.source_date_epoch),
                # The essential packages are unpacked by tar at first, then by dpkg.
                "TAR_OPTIONS": TAR_OPTIONS,
            },
            log=own_log,
        )
        own_log.unlink()
        _check(lock, users, path / "root")
        for name in ("files", "repository", "work"):
            clean.remove(path / name)
        clean.root(path / "root", lock.source_date_epoch)

    return store.realise(NAME, key(lock, tools, users, debconf), make)


def _write(files: Path, tools: Tools, users: Sequence[User], debconf: Sequence[str]) -> None:
    """Write what the hooks put into the root."""
    masters = tools.root / "usr/share/base-passwd"
    texts = {
        "passwd": accounts.passwd(users, (masters / "passwd.master").read_text()),
        "group": accounts.group(users, (masters / "group.master").read_text()),
        "dpkg": _DPKG,
        "debconf": "".join(f"{line}\n" for line in debconf),
        "policy-rc.d": _POLICY,
        **{path.rpartition("/")[2]: text for path, text in standins.PROGRAMS.items()},
    }
    for name, text in texts.items():
        (files / name).write_text(text)


def _mmdebstrap(names: Sequence[str]) -> list[str]:
    source = f"deb [trusted=yes] file:///build/repository {repository.SUITE} main"
    return [
        "mmdebstrap",
        "--verbose",
        "--mode=root",
        "--variant=apt",
        "--format=directory",
        "--architectures=amd64",
        '--aptopt=APT::Install-Recommends "false"',
        '--aptopt=Acquire::Languages "none"',
        f"--setup-hook={_SETUP}",
        f"--essential-hook={_ESSENTIAL}{standins.PLACE}",
        f"--customize-hook=set -eu\n{standins.FINISH}{_CUSTOMIZE}",
        f"--include={','.join(names)}",
        repository.SUITE,
        "/build/root",
        source,
    ]


def _check(lock: Lock, users: Sequence[User], root: Path) -> None:
    accounts.check(users, root)
    status = (root / "var/lib/dpkg/status").read_text()
    installed = {
        stanza.partition("\n")[0].removeprefix("Package: ")
        for stanza in status.split("\n\n")
        if "\nStatus: install ok installed\n" in stanza
    }
    locked = {package.name for package in lock.of("image")}
    problems = [Problem(name, "is locked, but nothing needs it") for name in locked - installed]
    if problems:
        raise ProblemsError("postolka.lock", problems, hint=REFRESH)
