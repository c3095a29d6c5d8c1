"""Boot an image under QEMU: a disposable virtual machine on a copy-on-write overlay of its disk.

KVM is used where it runs this very image, else TCG. The golden disk is never written to. The
machine reaches nothing outside: it is on a wire of its own, or in the lab. Needs root's rights.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from postolka import guest, home
from postolka.errors import PostolkaError
from postolka.run import ENVIRONMENT
from postolka.run import run as run_tool

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from postolka import seed
    from postolka.machines import Machine

DISK_SIZE = "8G"
#: UEFI, and what its variables are at first.
FIRMWARE = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
VARIABLES = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
#: In the state directory: what the machine writes.
OVERLAY, _FLASH = "disk.qcow2", "variables.fd"
_READY_SECONDS = 900
#: /dev/kvm may open, and even create a machine, and still not run a stock kernel.
_KVM_SECONDS = 30
#: How QEMU runs the guest's instructions: as the host's own, or translated.
KVM = ("-accel", "kvm", "-cpu", "host")
# By default translated code takes up to 1 GiB of the host's memory; a boot is as quick with less.
# Without these features the kernel copies in words, which are emulated faster than `rep movsb`'s
# bytes, walks page tables of four levels, and doesn't interrupt translated code by STAC and CLAC
# around each copy from or to a process (an eighth of a boot).
TCG = ("-accel", "tcg,thread=multi,tb-size=256", "-cpu", "max,-erms,-fsrm,-la57,-smap,-smep")
# An emulated processor runs nothing speculatively that would have to be mitigated.
_TCG_KERNEL = " mitigations=off"
# systemd-stub adds it to the kernel's command line, so the image stays as it is: on a busy host
# without KVM daemons need more than the default of 90 s.
_SLOW = (
    "io.systemd.stub.kernel-cmdline-extra="
    "systemd.default_timeout_start_sec=600 systemd.default_device_timeout_sec=600"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(guest.Request):
    """What to boot."""

    disk: Path
    """The golden disk."""
    memory_mib: int = 2048
    cpus: int = 2
    more_disks: Sequence[Path] = ()
    """Raw images of disks that it has besides."""
    write_log: Path | None = None
    """Where QEMU puts down what is written to its first disk, and each flush (blklogwrites)."""
    clock: str = ""
    """What its clock shows at power-on, as 2020-01-01T00:00:00 (UTC); empty: the right time."""


def run(request: Request, *, progress: Callable[[str], None] | None = None) -> Machine:
    """Boot a virtual machine and return once it is ready; it stays until it is stopped.

    Without user-data it is ready when it waits for them. Raises PostolkaError, and leaves nothing
    running, where it doesn't become ready.
    """
    return guest.run("vm", start, request, timeout_seconds=_READY_SECONDS, progress=progress)


def start(directory: Path, request: Request) -> Machine:
    """Start a virtual machine in its directory in the register, and don't wait for it."""
    state = (request.state or directory).absolute()
    _write_disks(state, request.disk)
    (directory / "console").touch(mode=0o600)
    main = guest.Program(
        command=lambda seeded: _command(directory, state, request, seeded),
        output="qemu.log",
        monitor=str(_monitor(directory)),
    )
    return guest.launch(directory, "vm", request, main)


def _monitor(directory: Path) -> Path:
    return directory / "monitor"


def _write_disks(state: Path, golden: Path) -> None:
    """Make what a machine writes to, unless it is there from an earlier boot."""
    if not VARIABLES.exists():
        raise PostolkaError(str(VARIABLES), "no UEFI firmware for QEMU", hint="make setup")
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (state / OVERLAY).exists():
        shutil.copy(VARIABLES, state / _FLASH)
        new = state / f".{OVERLAY}"
        run_tool(
            ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(golden.resolve()),
             str(new), DISK_SIZE]
        )  # fmt: skip
        new.rename(state / OVERLAY)


def _command(directory: Path, state: Path, request: Request, seeded: seed.Seed) -> list[str]:
    disks = [_first_disk(state, request.write_log)]
    disks += [f"format=raw,file={path.absolute()}" for path in request.more_disks]
    is_fast = has_kvm(request.disk)
    kernel = _SLOW if is_fast else _SLOW + _TCG_KERNEL
    return [
        *_base(state / _FLASH, KVM if is_fast else TCG),
        "-smp", str(request.cpus), "-m", str(request.memory_mib),
        *(("-rtc", f"base={request.clock}") if request.clock else ()),
        # Two boots of one state are one machine.
        "-uuid", str(uuid.uuid5(uuid.NAMESPACE_OID, str(state))),
        "-smbios", f"type=11,value={kernel}",
        *(word for number, disk in enumerate(disks) for word in (
            "-drive", f"if=none,id=disk{number},{disk}",
            "-device", f"virtio-blk-pci,drive=disk{number}",
        )),
        # The directory as a FAT file system of that label, as the NoCloud datasource wants it.
        "-drive", (f"if=virtio,readonly=on,format=raw,file.driver=vvfat,file.label=CIDATA,"
        f"file.dir={seeded.directory}"),
        "-netdev", "tap,id=net,fd={tap}",
        "-device", "virtio-net-pci,netdev=net,mac={mac}",
        "-serial", f"file:{directory}/console",
        "-qmp", f"unix:{_monitor(directory)},server=on,wait=off",
    ]  # fmt: skip


def _first_disk(state: Path, write_log: Path | None) -> str:
    if write_log is None:
        return f"format=qcow2,file={state}/{OVERLAY}"
    write_log.touch()
    return (
        f"driver=blklogwrites,log.driver=file,log.filename={write_log.absolute()},"
        f"file.driver=qcow2,file.file.driver=file,file.file.filename={state}/{OVERLAY}"
    )


def _base(variables: Path, accelerator: Sequence[str]) -> list[str]:
    return [
        "qemu-system-x86_64", "-nodefaults", "-machine", "q35", *accelerator,
        "-display", "none",
        "-drive", f"if=pflash,format=raw,readonly=on,file={FIRMWARE}",
        "-drive", f"if=pflash,format=raw,file={variables}",
        "-device", "virtio-rng-pci",
    ]  # fmt: skip


def has_kvm(disk: Path) -> bool:
    """Return whether KVM boots an image on this host; tried once, with a time limit."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    verdict = home.home() / "kvm"
    if not verdict.exists():
        verdict.write_text("yes" if _tries_kvm(disk) else "no", encoding="ascii")
    return verdict.read_text(encoding="ascii") == "yes"


def _tries_kvm(disk: Path) -> bool:
    work = home.home() / f".kvm.{os.getpid()}"
    work.mkdir(parents=True)
    log = work / "console"
    try:
        shutil.copy(VARIABLES, work / "variables.fd")
        command = [*_base(work / "variables.fd", KVM), "-m", "1024"]
        command += ["-drive", f"if=virtio,format=raw,snapshot=on,file={disk}", "-no-reboot"]
        command += ["-serial", f"file:{log}"]
        with subprocess.Popen(
            command, env=dict(ENVIRONMENT), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ) as qemu:  # fmt: skip
            try:
                deadline = time.monotonic() + _KVM_SECONDS
                while time.monotonic() < deadline and qemu.poll() is None:
                    if log.exists() and b"systemd[1]" in log.read_bytes():
                        return True
                    time.sleep(0.1)
            finally:
                qemu.kill()
        return False
    finally:
        shutil.rmtree(work)
