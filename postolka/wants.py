"""What a lock must hold, set by set: names of packages only. Pure: no I/O, no pyinfra."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys import server

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyinfra_deploys.room import Room

#: Needed in the image but not on a machine that is administered by hand, so in no room.
IMAGE = (
    # mmdebstrap installs with the image's own apt.
    "apt",
    # Blesses a boot that serves, or systemd-boot would use up the image's tries.
    "systemd-boot",
)

#: The kernel follows this name of Debian's; only the image that it stands for is locked, since its
#: other dependencies are there to make an initrd on the machine.
KERNEL = ("linux-image-amd64",)

#: Unpacked into the tools root: all that touches an image's bytes, so that the host doesn't.
TOOLS = (
    "apt",
    "checkpolicy",
    "coreutils",
    "cpio",
    "cryptsetup-bin",
    "dosfstools",
    "dpkg",
    "dracut-core",
    "e2fsprogs",
    "erofs-utils",
    "fdisk",
    "findutils",
    "gpgv",
    "iproute2",
    "kmod",
    "mmdebstrap",
    "mount",
    "mtools",
    "policycoreutils",
    "python3",
    "qemu-utils",
    "selinux-utils",
    "semodule-utils",
    "squashfs-tools",
    "systemd",
    "systemd-boot-efi",
    "systemd-cryptsetup",
    "systemd-repart",
    "systemd-ukify",
    "tar",
    "udev",
    "util-linux",
    "uuid-runtime",
    "xz-utils",
    "zstd",
)

#: Unpacked into the lab's root: the small internet that a server is tried in.
LAB = (
    "bind9",
    "bind9-dnsutils",
    "bind9-utils",
    "chrony",
    "dns-root-data",
    "dnsmasq-base",
    "gpg",
    "gpg-agent",
    "iproute2",
    "nftables",
    "openssl",
    "pebble",
    "postfix",
    "procps",
    "python3",
    "python3-dkim",
    "python3-dnspython",
    "python3-gdbm",
    "pyzor",
    "razor",
    "swaks",
    "tcpdump",
)

#: Unpacked into the root of what tests ask a server with, beside Python's libraries: mail clients,
#: and who looks how hardened it is.
CLIENTS = (
    "chromium",
    "isync",
    "lynis",
    "msmtp",
    "mutt",
    "sieve-connect",
    "swaks",
)

#: Unpacked into the root of mkosi, which `make bench-peers` measures beside ours.
MKOSI = (
    "dpkg-dev",
    "iproute2",
    "mkosi",
    "mount",
    "udev",
)

#: What mkosi installs beside the image's packages: the kernel as a package, and what its own initrd
#: is made of.
MKOSI_IMAGE = (
    "bash",
    "btrfs-progs",
    "dmsetup",
    "dosfstools",
    "e2fsprogs",
    "erofs-utils",
    "kmod",
    "less",
    "libcryptsetup12",
    "libfido2-1",
    "libtss2-esys-3.0.2-0t64",
    "libtss2-mu-4.0.1-0t64",
    "libtss2-rc0t64",
    "libtss2-tcti-device0t64",
    "linux-image-amd64",
    "lvm2",
    "p11-kit",
    "systemd",
    "systemd-boot",
    "systemd-cryptsetup",
    "systemd-repart",
    "udev",
    "util-linux",
)


def image(rooms: Iterable[Room]) -> tuple[str, ...]:
    """Return the names that an image with these rooms is made for."""
    return tuple(sorted({*IMAGE, *server.packages(rooms)}))


def wanted() -> dict[str, tuple[str, ...]]:
    """Return the names that each set of the lock is resolved for."""
    whole = image(server.all_rooms())
    return {
        "image": whole,
        "kernel": KERNEL,
        "tools": tuple(sorted(TOOLS)),
        "lab": tuple(sorted(LAB)),
        "clients": tuple(sorted(CLIENTS)),
        "mkosi": tuple(sorted(MKOSI)),
        "mkosi-image": tuple(sorted({*whole, *MKOSI_IMAGE})),
    }
