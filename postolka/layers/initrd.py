"""The initrd layer: systemd from the tools root, drivers of the kernel layer, files of boot/initrd.

Made by dracut in the tools root, so the image needs no dracut. It finds the root by the hash on the
kernel's command line, and holds nothing of the image: it changes with the kernel and the tools.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from postolka.layers import kernel as kernel_layer
from postolka.layers.inputs import BOOT, sources
from postolka.store import digest

if TYPE_CHECKING:
    from pathlib import Path

    from postolka.layers.context import Context

#: Raised when this module makes another result from the same inputs.
FORMAT = 2
FILES = BOOT / "initrd"
# dracut looks up in ldconfig's cache the libraries that systemd loads at run time (libkmod: without
# it no driver is loaded); a tools root is only unpacked, so it has none.
_WITH_LIBRARIES = ("sh", "-euc", 'ldconfig; exec "$@"', "sh")
# dracut's own level, 15, takes three times the time of the whole rest and saves one percent. One
# thread: the bytes don't depend on the number of processors.
_COMPRESSION = "zstd -q -9 -T1"
_DRACUT_MODULES = (
    "systemd", "systemd-initrd", "systemd-journald", "systemd-udevd", "systemd-modules-load",
    "systemd-tmpfiles", "systemd-veritysetup", "dm", "udev-rules",
)  # fmt: skip
#: Where a disk may hang: clouds, hypervisors and servers. "=" takes a whole directory.
_DRIVERS = (
    "=drivers/ata", "=drivers/mmc", "nvme",
    "=drivers/usb/host", "usb-storage", "uas",
    "sd_mod", "sr_mod", "virtio_pci", "virtio_mmio", "virtio_blk", "virtio_scsi",
    "xen-blkfront", "xen-scsifront",
    "hv_vmbus", "hv_storvsc", "pci-hyperv", "vmw_pvscsi", "vmd",
    "aacraid", "arcmsr", "hpsa", "megaraid_sas", "mpi3mr", "mpt3sas", "mptsas", "mptspi",
    "smartpqi",
    "erofs", "ext4", "dm-verity", "loop",
)  # fmt: skip
_PROGRAMS = (
    "systemd-repart", "/usr/lib/systemd/systemd-growfs", "udevadm", "journalctl", "lsblk",
    "mke2fs", "mkfs.ext4", "e2fsck", "mount", "umount",
    "sh", "cat", "cp", "mkdir", "mv", "rm", "rmdir", "sed", "sleep", "sort", "sync", "touch",
    "/usr/lib/systemd/system/modprobe@.service", "/etc/mke2fs.conf",
)  # fmt: skip


def initrd(context: Context, kernel: Path) -> Path:
    """Return the layer's store path, which holds the file `initrd`."""
    options = [
        "--force", "--no-hostonly", "--no-hostonly-cmdline", "--reproducible",
        "--compress", _COMPRESSION,
        "--modules", " ".join(_DRACUT_MODULES),
        "--drivers", " ".join(_DRIVERS),
        "--install", " ".join(_PROGRAMS),
        "--include", "/files", "/",
    ]  # fmt: skip
    epoch = context.lock.source_date_epoch

    def make(out: Path) -> None:
        context.progress("initrd: packing")
        out.mkdir()
        release = kernel_layer.release(kernel)
        modules = kernel / "root" / kernel_layer.MODULES
        context.tools.run(
            [*_WITH_LIBRARIES, "dracut", *options, "--kver", release, "/out/initrd"],
            binds={"/files": FILES, f"/{kernel_layer.MODULES}": modules},
            writes={"/out": out},
            environment={"SOURCE_DATE_EPOCH": str(epoch)},
            log=context.log,
        )
        (out / "initrd").chmod(0o644)

    inputs = ["initrd", FORMAT, context.tools.key, kernel.name, options, epoch, sources(FILES)]
    return context.store.realise("initrd", digest(inputs), make)
