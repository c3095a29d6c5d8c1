"""What a lock must hold, set by set: names of packages only. Pure: no I/O, no pyinfra."""

from __future__ import annotations

from pyinfra_deploys import server

#: Needed in the image but not on a machine that is administered by hand, so in no room.
IMAGE = (
    # The kernel's package wants something that makes an initrd. The image's is made by dracut in
    # the tools root; this is the smallest package that satisfies the dependency, and its hooks are
    # left out (layers/packages.py).
    "tiny-initramfs",
    # mmdebstrap installs with the image's own apt.
    "apt",
)

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
    "dns-root-data",
    "dnsmasq-base",
    "iproute2",
    "nftables",
    "openssl",
    "pebble",
    "postfix",
    "procps",
    "python3",
    "python3-dkim",
    "python3-dnspython",
    "swaks",
    "tcpdump",
)


def wanted() -> dict[str, tuple[str, ...]]:
    """Return the names that each set of the lock is resolved for."""
    return {
        "image": tuple(sorted({*IMAGE, *server.packages()})),
        "tools": tuple(sorted(TOOLS)),
        "lab": tuple(sorted(LAB)),
    }
