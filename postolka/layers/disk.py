"""The disk layer: `disk.raw`, a GPT disk that starts by UEFI; and the kernel image in it.

Kernel, initrd and command line are one file, `postolka_VERSION+3.efi`; its name says how often
systemd-boot is to try it. systemd-repart makes the partitions without loop devices. The ids of the
root partition and its verity partition are the two halves of the root hash, by which the initrd
finds them. The disk's size is a multiple of 1 MiB.
"""

from __future__ import annotations

import os
import shutil
import uuid
from typing import TYPE_CHECKING

from postolka.instance.templates import environment
from postolka.layers import kernel as kernel_layer
from postolka.layers.image import os_release, version
from postolka.layers.inputs import BOOT, sources
from postolka.store import digest

if TYPE_CHECKING:
    from pathlib import Path

    from postolka.layers.context import Context
    from pyinfra_deploys.settings import Settings

#: Raised when this module makes another result from the same inputs.
FORMAT = 2
#: How often a new image is tried before systemd-boot falls back.
TRIES = 3
# Azure takes a disk of whole MiB only. The second table of partitions is at a disk's very end, in
# 33 sectors; what it would leave at its first place would make others wonder.
_FILL = """
size=$(stat --format %s "$1")
fallocate --punch-hole --offset $((size - 33 * 512)) --length $((33 * 512)) "$1"
truncate --size %1M "$1"
sfdisk --quiet --relocate gpt-bak-std "$1"
"""
_EFI = "usr/lib/systemd/boot/efi"


def disk(context: Context, kernel: Path, initrd: Path, image: Path) -> Path:
    """Return the layer's store path."""
    root_hash = (image / "roothash").read_text(encoding="ascii").strip()
    options = command_line(root_hash, context.settings)
    inputs = [
        "disk", FORMAT, TRIES, _FILL, context.tools.key, kernel.name, initrd.name, root_hash,
        os_release(context), context.lock.source_date_epoch, options,
        sources(BOOT / "disk"), sources(BOOT / "esp"),
    ]  # fmt: skip
    key = digest(inputs)

    def make(out: Path) -> None:
        context.progress("disk: packing kernel, initrd and command line")
        out.mkdir()
        _write_esp(context, kernel, initrd, options, out / "esp")
        context.progress("disk: writing the partitions")
        _write_definitions(context, root_hash, out / "definitions")
        context.tools.run(
            [
                "systemd-repart", "--empty=create", "--size=auto", "--offline=yes",
                f"--seed={uuid.uuid5(uuid.NAMESPACE_OID, key)}", "--definitions=/out/definitions",
                "--dry-run=no", "/out/disk.raw",
            ],
            binds={"/esp": out / "esp", "/image": image},
            writes={"/out": out},
            environment={"SOURCE_DATE_EPOCH": str(context.lock.source_date_epoch)},
            log=context.log,
        )  # fmt: skip
        fill = ["sh", "-euc", _FILL, "sh", "/out/disk.raw"]
        context.tools.run(fill, writes={"/out": out}, log=context.log)
        for name in ("esp", "definitions"):
            shutil.rmtree(out / name)

    return context.store.realise("disk", key, make)


def command_line(root_hash: str, settings: Settings) -> str:
    """Return the kernel's command line."""
    lines = (BOOT / "cmdline").read_text(encoding="ascii").splitlines()
    options = [line for line in lines if line and not line.startswith("#")]
    if settings.base.selinux == "permissive" or not settings.base.selinux_dontaudit:
        # More is told than the kernel prints: ten lines in five seconds.
        options.append("sysctl.kernel.printk_ratelimit=0")
    return " ".join([*options, f"roothash={root_hash}"])


def _write_esp(context: Context, kernel: Path, initrd: Path, options: str, esp: Path) -> None:
    shutil.copytree(BOOT / "esp", esp)
    linux = esp / "EFI/Linux"
    linux.mkdir(parents=True)
    name = f"postolka_{version(context)}+{TRIES}.efi"
    context.tools.run(
        [
            "ukify", "build", "--linux=/kernel/vmlinuz", "--initrd=/initrd/initrd",
            f"--uname={kernel_layer.release(kernel)}", f"--cmdline={options}",
            f"--os-release=ID=debian\nPRETTY_NAME=Postolka\n{os_release(context)}",
            f"--output=/linux/{name}",
        ],
        binds={"/kernel": kernel, "/initrd": initrd},
        writes={"/linux": linux},
        environment={"SOURCE_DATE_EPOCH": str(context.lock.source_date_epoch)},
        log=context.log,
    )  # fmt: skip
    boot = context.tools.root / _EFI / "systemd-bootx64.efi"
    for target in ("EFI/BOOT/BOOTX64.EFI", "EFI/systemd/systemd-bootx64.efi"):
        (esp / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(boot, esp / target)
    _clamp(esp, context.lock.source_date_epoch)


def _write_definitions(context: Context, root_hash: str, directory: Path) -> None:
    names = {
        "version": version(context),
        # https://uapi-group.org/specifications/specs/discoverable_partitions_specification/
        "root_uuid": str(uuid.UUID(root_hash[:32])),
        "verity_uuid": str(uuid.UUID(root_hash[32:])),
    }
    directory.mkdir()
    for path in sorted((BOOT / "disk").iterdir()):
        text = environment().from_string(path.read_text(encoding="ascii")).render(names)
        (directory / path.name.removesuffix(".j2")).write_text(text, encoding="ascii")


def _clamp(directory: Path, epoch: int) -> None:
    """Give all files one date and mode: FAT keeps both, in its own way."""
    for path in [directory, *directory.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (epoch, epoch))
