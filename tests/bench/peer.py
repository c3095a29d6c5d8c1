"""mkosi, as its manual has it, for the same packages and the same kind of image.

A root of EROFS with dm-verity, a UKI with an initrd of mkosi's own, and systemd-boot, on one disk.
It runs in a root of its own, and reads the repository that plain mmdebstrap reads on the same disk.
What mkosi doesn't make: pinned accounts, SELinux's policy and labels, the server's configuration.
https://github.com/systemd/mkosi/blob/main/mkosi/resources/man/mkosi.1.md
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from postolka.layers import image, repository

if TYPE_CHECKING:
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
Packages={packages}

[Build]
Incremental=yes
CacheDirectory=/out/cache
WorkspaceDirectory=/out/work
"""
_PARTITIONS = {
    "00-esp": "Type=esp\nFormat=vfat\nCopyFiles=/efi:/\nCopyFiles=/boot:/\nSizeMinBytes=300M\n",
    "10-root": "Type=root\nFormat=erofs\nCopyFiles=/\nVerity=data\nVerityMatchKey=root\n"
    "Minimize=best\n",
    "11-verity": "Type=root-verity\nVerity=hash\nVerityMatchKey=root\nMinimize=best\n",
}
# SpamAssassin's package leaves sockets behind, which mkosi can't copy out of its cache.
_PREPARE = '#!/bin/sh\nrm -f "$BUILDROOT"/var/lib/spamassassin/sa-update-keys/S.*\n'
#: A file of the image's own, which is changed for the second build.
_EXTRA = "mkosi.extra/etc/motd"
# Compressed as our root is.
_ENVIRONMENT = {"SYSTEMD_REPART_MKFS_OPTIONS_EROFS": " ".join(image.COMPRESSION)}
_PROGRAM = 'mkdir -p /out/made /out/cache /out/work; cd /out/configuration; exec mkosi "$@"'


def _name(package: Package) -> str:
    """Return the file's name: mkosi takes the package's out of it."""
    return f"{package.name}_{package.sha256}.deb"


def prepare(lock: Lock, debs: Debs, work: Path) -> None:
    """Write mkosi's configuration and the repository of its packages below `work`."""
    packages = lock.of(CONTENT)
    debs.fetch(packages, lambda _: None)
    place = work / "repository"
    repository.write(packages, debs, place, lock.source_date_epoch, filename=_name)
    (place / "dists" / _RELEASE).symlink_to(repository.SUITE)
    for package in packages:
        shutil.copyfile(debs.path(package), place / repository.POOL / _name(package))
    configuration = work / "out/configuration"
    (configuration / "mkosi.repart").mkdir(parents=True)
    text = _CONFIGURATION.format(
        release=_RELEASE,
        mirror=_MIRROR,
        packages=",".join([*lock.wanted["image"], *lock.wanted["kernel"]]),
    )
    (configuration / "mkosi.conf").write_text(text)
    for name, partition in _PARTITIONS.items():
        (configuration / f"mkosi.repart/{name}.conf").write_text(f"[Partition]\n{partition}")
    (configuration / "mkosi.prepare").write_text(_PREPARE)
    (configuration / "mkosi.prepare").chmod(0o755)
    (configuration / _EXTRA).parent.mkdir(parents=True)
    change(work, "A mail server.")


def change(work: Path, text: str) -> None:
    """Give the image another file."""
    (work / "out/configuration" / _EXTRA).write_text(f"{text}\n")


def build(toolbox: Tools, work: Path) -> Path:
    """Build the image, and return where its disk is."""
    toolbox.run(
        ["sh", "-euc", _PROGRAM, "mkosi", "--force", "build"],
        binds={_MIRROR: work / "repository"},
        writes={"/out": work / "out"},
        environment=_ENVIRONMENT,
        log=work / "mkosi.log",
    )
    return work / "out/made/mail.raw"
