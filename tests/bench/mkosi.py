"""mkosi, as its manual has it, for the same packages and the same kind of image.

A root of EROFS with dm-verity, a UKI with an initrd of mkosi's own, and systemd-boot, on one disk.
It runs in a root of its own, and reads the repository that plain mmdebstrap reads on the same disk.
What mkosi doesn't make: pinned accounts, SELinux's policy and labels, the server's configuration.
https://github.com/systemd/mkosi/blob/main/mkosi/resources/man/mkosi.1.md
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from postolka.layers import repository
from postolka.layers.image import COMPRESSION

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from postolka.debs import Debs
    from postolka.lock import Lock, Package
    from postolka.tools import Tools

#: Sets of the lock: what mkosi is unpacked from, and what it installs.
PROGRAM, CONTENT = "mkosi", "mkosi-image"
_RELEASE = "trixie"
#: mkosi has a /repository of its own.
_MIRROR = "/mirror"
_CONFIGURATION = """\
[Distribution]
Distribution=debian
Release={release}
LocalMirror=file://{mirror}
RepositoryKeyCheck=no

[Output]
Format=disk
ImageId=mail
OutputDirectory=/out/made

[Content]
Bootable=yes
Bootloader=systemd-boot
KernelCommandLine={command_line}
Packages={packages}

[Build]
Incremental=yes
CacheDirectory=/out/cache
WorkspaceDirectory=/out/work
"""
_ESP = """\
[Partition]
Type=esp
Format=vfat
CopyFiles=/efi:/
CopyFiles=/boot:/
SizeMinBytes=300M
"""
_ROOT = """\
[Partition]
Type=root
Format=erofs
CopyFiles=/
Verity=data
VerityMatchKey=root
Minimize=best
"""
_VERITY = """\
[Partition]
Type=root-verity
Verity=hash
VerityMatchKey=root
Minimize=best
"""
# SpamAssassin's package leaves sockets behind, which mkosi can't copy out of its cache.
_PREPARE = '#!/bin/sh\nrm -f "$BUILDROOT"/var/lib/spamassassin/sa-update-keys/S.*\n'
# Compressed as our root is.
_ENVIRONMENT = {"SYSTEMD_REPART_MKFS_OPTIONS_EROFS": " ".join(COMPRESSION)}
_PROGRAM = 'mkdir -p /out/made /out/cache /out/work; cd /out/configuration; exec mkosi "$@"'


def _name(package: Package) -> str:
    """Return the file's name: mkosi takes the package's out of it."""
    return f"{package.name}_{package.sha256}.deb"


def write_mirror(packages: Sequence[Package], debs: Debs, place: Path, epoch: int) -> None:
    """Make `place` a repository with the packages' files in it."""
    debs.fetch(packages, lambda _: None)
    repository.write(packages, debs, place, epoch, filename=_name)
    (place / "dists" / _RELEASE).symlink_to(repository.SUITE)
    for package in packages:
        shutil.copyfile(debs.path(package), place / repository.POOL / _name(package))


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image of mkosi's."""

    work: Path
    """What belongs to it: mkosi's configuration, cache, and result."""
    mirror: Path
    """The repository of its packages."""

    def write(self, name: str, text: str, mode: int = 0o644) -> None:
        """Write a file of the configuration."""
        path = self.work / "out/configuration" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)

    def describe(self, packages: Iterable[str], root: str, command_line: str = "") -> None:
        """Say of which packages it is, and how its `root` partition is made."""
        text = _CONFIGURATION.format(
            release=_RELEASE,
            mirror=_MIRROR,
            packages=",".join(packages),
            command_line=command_line,
        )
        self.write("mkosi.conf", text)
        self.write("mkosi.repart/00-esp.conf", _ESP)
        self.write("mkosi.repart/10-root.conf", root)

    def build(self, toolbox: Tools) -> Path:
        """Build it, and return where its disk is."""
        toolbox.run(
            ["sh", "-euc", _PROGRAM, "mkosi", "--force", "build"],
            binds={_MIRROR: self.mirror},
            writes={"/out": self.work / "out"},
            environment=_ENVIRONMENT,
            log=self.work / "mkosi.log",
        )
        return self.work / "out/made/mail.raw"


def describe(image: Image, locked: Lock, text: str) -> None:
    """Have it be an image of our kind, with the lock's packages and a file of this text."""
    image.describe([*locked.wanted["image"], *locked.wanted["kernel"]], _ROOT)
    image.write("mkosi.repart/11-verity.conf", _VERITY)
    image.write("mkosi.prepare", _PREPARE, 0o755)
    image.write("mkosi.extra/etc/motd", f"{text}\n")
