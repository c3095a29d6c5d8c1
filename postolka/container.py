"""Boot the root of an image under systemd-nspawn: the same root as a VM's, at native speed.

The root is read-only, /var comes from a directory of the machine, made on the first boot from the
image's own. There is no SELinux and no verity in a container. Root's rights are needed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from postolka import cgroups, console, machines, seed, supervisor
from postolka.errors import PostolkaError, ProblemsError
from postolka.instance.parse import parse
from postolka.lab import userdata
from postolka.machines import Machine
from postolka.processes import program, spawn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from postolka.processes import Process

#: systemd-nspawn's exit status for a reboot under --keep-unit.
_REBOOT_STATUS = 133
_READY_SECONDS = 120
_START_SECONDS = 30
_POLL_SECONDS = 0.02

# $1 the machine's directory, $2 the state's, $3 the root's layers as overlayfs wants them, then the
# command, run in the merged root. What differs from the image as it was baked is done here as the
# image's finishing does it; the files are empty there, and bound over by systemd.
_MOUNT = r"""
set -eu
umask 022
directory=$1 state=$2 layers=$3; shift 3
mkdir -p "$directory/root"
mount -t tmpfs -o mode=0755 postolka "$directory/root"
cd "$directory/root"
mkdir upper work merged
mount -t overlay -o "lowerdir=$layers,upperdir=upper,workdir=work" postolka merged
cd merged
: >etc/machine-id
: >etc/fstab
echo localhost >etc/hostname
if [ ! -d "$state/var" ]; then
    rm -rf "$state/new"
    mkdir -p "$state"
    cp -a var "$state/new"
    cp -a home "$state/new/home"
    cp -a root "$state/new/roothome"
    mv "$state/new" "$state/var"
fi
exec "$@"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to boot."""

    layers: Sequence[Path]
    """Directories of the root, highest first."""
    id: str
    """Id of the image."""
    name: str | None = None
    user_data: bytes | None = None
    zone: str = ""
    """Records to publish in the lab: a zone file's text."""
    lab: str = ""
    """Name of a running lab; empty: no lab."""
    state: Path | None = None
    """Directory that keeps /var; None: one that goes with the machine."""
    ports: Sequence[int]
    """TCP ports to forward."""
    arguments: Sequence[str] = ()
    """For the container's init: what a machine has on its kernel's command line."""


def run(request: Request, *, progress: Callable[[str], None] | None = None) -> Machine:
    """Boot a container and return once it is ready; it stays until it is stopped.

    Without user-data it is ready when it waits for them. Raises PostolkaError, and leaves nothing
    running, where it doesn't become ready.
    """
    with machines.starting("container", request.name) as directory:
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
    """Start a container in its directory in the register, and don't wait for it."""
    user_data = request.user_data
    if user_data is not None and request.lab:
        user_data = userdata.amend(user_data)
    seeded = seed.write(directory, directory.name, user_data)
    hostname, addresses = _identity(user_data)
    spec = supervisor.Spec(
        command=_command(directory, request, seeded),
        # The container's systemd knows only the unified hierarchy; the host may have both.
        environment={"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
        is_container=True,
        console=str(directory / "console"),
        ports=list(request.ports),
        lab=request.lab,
        hostname=hostname,
        zone=request.zone,
        addresses=addresses,
        again_status=_REBOOT_STATUS,
    )
    supervisor.write(spec, directory)
    process = spawn(program("postolka.supervisor", str(directory)), directory / "supervisor.log")
    machine = Machine(
        name=directory.name,
        kind="container",
        id=request.id,
        processes=(process,),
        ports={},
        key=seeded.key,
        console=directory / "console",
        lab=request.lab,
    )
    machines.save(machine)
    ports = _ports(directory, process)
    machine = dataclasses.replace(machine, ports=ports)
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
    """Return the hostname and the addresses of good instance data, or none."""
    try:
        instance = parse(user_data or b"", where="user-data")
    except ProblemsError:
        return "", ()
    return instance.hostname, instance.addresses


def _command(directory: Path, request: Request, seeded: seed.Seed) -> list[str]:
    state = (request.state or directory / "state").absolute()
    layers = ":".join(str(path).replace(":", r"\:") for path in request.layers)
    name = cgroups.name(directory)
    nspawn = [
        "systemd-nspawn",
        "--quiet",
        "--directory=.",
        "--boot",
        "--read-only",
        "--settings=no",
        # We supervise it: nothing to register with a systemd of the host, where there is one.
        "--register=no",
        "--keep-unit",
        f"--machine={name}",
        # Two boots of one state are one machine.
        f"--uuid={hashlib.sha256(str(state).encode()).hexdigest()[:32]}",
        "--network-namespace-path={netns}",
        # Its own firewall.
        "--capability=CAP_NET_ADMIN",
        # A terminal for /dev/console whose output comes to us and whose input is nobody.
        "--console=read-only",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        f"--bind={state}/var:/var",
        f"--bind={state}/var/home:/home",
        f"--bind={state}/var/roothome:/root",
        f"--bind-ro={seeded.directory}:/var/lib/cloud/seed/nocloud",
    ]
    enter = ["unshare", "--mount", "--", "sh", "-c", _MOUNT, "postolka"]
    return [*enter, str(directory), str(state), layers, *nspawn, *request.arguments]
