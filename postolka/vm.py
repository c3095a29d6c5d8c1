"""Boot an image under QEMU: a disposable virtual machine on a copy-on-write overlay of its disk.

KVM is used where it runs this very image, else TCG. The golden disk is never written to. The
machine reaches nothing outside: it is on a wire of its own, or in the lab. Needs root's rights.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from postolka import console, home, machines, seed, supervisor
from postolka.errors import PostolkaError, ProblemsError
from postolka.instance.parse import parse
from postolka.lab import userdata
from postolka.machines import Machine
from postolka.processes import program, spawn
from postolka.run import ENVIRONMENT
from postolka.run import run as run_tool

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from postolka.processes import Process

DISK_SIZE = "8G"
_FIRMWARE = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
_VARIABLES = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
_READY_SECONDS = 900
_START_SECONDS = 30
_POLL_SECONDS = 0.02
#: /dev/kvm may open, and even create a machine, and still not run a stock kernel.
_KVM_SECONDS = 30
_KVM, _TCG = ("-accel", "kvm", "-cpu", "host"), ("-accel", "tcg,thread=multi", "-cpu", "max")
# systemd-stub adds it to the kernel's command line, so the image stays as it is: on a busy host
# without KVM daemons need more than the default of 90 s.
_SLOW = (
    "io.systemd.stub.kernel-cmdline-extra="
    "systemd.default_timeout_start_sec=600 systemd.default_device_timeout_sec=600"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to boot."""

    disk: Path
    """The golden disk."""
    id: str
    """Id of the image."""
    name: str | None = None
    user_data: bytes | None = None
    zone: str = ""
    """Records to publish in the lab: a zone file's text."""
    lab: str = ""
    """Name of a running lab; empty: no lab."""
    memory_mib: int = 2048
    ports: Sequence[int]
    """TCP ports to forward."""


def run(request: Request, *, progress: Callable[[str], None] | None = None) -> Machine:
    """Boot a virtual machine and return once it is ready; it stays until it is stopped.

    Without user-data it is ready when it waits for them. Raises PostolkaError, and leaves nothing
    running, where it doesn't become ready.
    """
    with machines.starting("vm", request.name) as directory:
        machine = start(directory, request)
        state = console.wait(
            directory / "console",
            lambda: machine.is_running,
            timeout_seconds=_READY_SECONDS,
            progress=progress,
        )
        wanted = "ready" if request.user_data is not None else "waiting"
        if state.word != wanted:
            problems = "".join(f"\n  {problem}" for problem in state.problems)
            raise PostolkaError(machine.name, f"the machine reports: {state.word}{problems}")
        return machine


def start(directory: Path, request: Request) -> Machine:
    """Start a virtual machine in its directory in the register, and don't wait for it."""
    user_data = request.user_data
    if user_data is not None and request.lab:
        user_data = userdata.amend(user_data)
    seeded = seed.write(directory, directory.name, user_data)
    _write_disks(directory, request)
    hostname, addresses = _identity(user_data)
    spec = supervisor.Spec(
        command=_command(directory, request, seeded),
        is_container=False,
        console=str(directory / "qemu.log"),
        ports=list(request.ports),
        lab=request.lab,
        hostname=hostname,
        zone=request.zone,
        addresses=addresses,
    )
    supervisor.write(spec, directory)
    process = spawn(program("postolka.supervisor", str(directory)), directory / "supervisor.log")
    machine = Machine(
        name=directory.name,
        kind="vm",
        id=request.id,
        processes=(process,),
        ports={},
        key=seeded.key,
        console=directory / "console",
        lab=request.lab,
    )
    machines.save(machine)
    machine = dataclasses.replace(machine, ports=_ports(directory, process))
    machines.save(machine)
    return machine


def _ports(directory: Path, process: Process) -> dict[int, int]:
    deadline = time.monotonic() + _START_SECONDS
    while (found := supervisor.ports(directory)) is None:
        if not process.is_alive or time.monotonic() > deadline:
            log = (directory / "supervisor.log").read_text(encoding="utf-8", errors="replace")
            raise PostolkaError(directory.name, f"does not start\n{log}")
        time.sleep(_POLL_SECONDS)
    return found


def _identity(user_data: bytes | None) -> tuple[str, tuple[str, ...]]:
    try:
        instance = parse(user_data or b"", where="user-data")
    except ProblemsError:
        return "", ()
    return instance.hostname, instance.addresses


def _write_disks(directory: Path, request: Request) -> None:
    if not _VARIABLES.exists():
        raise PostolkaError(str(_VARIABLES), "no UEFI firmware for QEMU", hint="make setup")
    shutil.copy(_VARIABLES, directory / "variables.fd")
    (directory / "console").touch(mode=0o600)
    run_tool(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(request.disk.resolve()),
         str(directory / "disk.qcow2"), DISK_SIZE]
    )  # fmt: skip


def _command(directory: Path, request: Request, seeded: seed.Seed) -> list[str]:
    return [
        *_machine(request.memory_mib, directory / "variables.fd", request.disk),
        "-uuid", str(uuid.uuid5(uuid.NAMESPACE_OID, str(directory))),
        "-smbios", f"type=11,value={_SLOW}",
        "-drive", f"if=none,id=disk,format=qcow2,file={directory}/disk.qcow2",
        "-device", "virtio-blk-pci,drive=disk",
        # The directory as a FAT file system of that label, as the NoCloud datasource wants it.
        "-drive", (f"if=virtio,readonly=on,format=raw,file.driver=vvfat,file.label=CIDATA,"
        f"file.dir={seeded.directory}"),
        "-netdev", "tap,id=net,fd={tap}",
        "-device", "virtio-net-pci,netdev=net,mac={mac}",
        "-serial", f"file:{directory}/console",
        "-monitor", f"unix:{directory}/monitor,server=on,wait=off",
    ]  # fmt: skip


def _machine(memory_mib: int, variables: Path, disk: Path) -> list[str]:
    return _base(memory_mib, variables, _KVM if _has_kvm(disk) else _TCG)


def _base(memory_mib: int, variables: Path, accelerator: Sequence[str]) -> list[str]:
    return [
        "qemu-system-x86_64", "-nodefaults", "-machine", "q35", *accelerator,
        "-smp", "2", "-m", str(memory_mib), "-display", "none",
        "-drive", f"if=pflash,format=raw,readonly=on,file={_FIRMWARE}",
        "-drive", f"if=pflash,format=raw,file={variables}",
        "-device", "virtio-rng-pci",
    ]  # fmt: skip


def _has_kvm(disk: Path) -> bool:
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
        shutil.copy(_VARIABLES, work / "variables.fd")
        command = _base(1024, work / "variables.fd", _KVM)
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
