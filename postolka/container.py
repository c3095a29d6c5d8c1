"""Boot the root of an image under systemd-nspawn: the same root as a VM's, at native speed.

The root is read-only, /var comes from a directory of the machine, made on the first boot from the
image's own. There is no SELinux and no verity in a container. A root that is no image's, of a
machine that is administered in place, is booted writable. Root's rights are needed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from postolka import cgroups, guest
from postolka.layers.inputs import BOOT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from postolka import seed
    from postolka.machines import Machine

#: systemd-nspawn's exit status for a reboot under --keep-unit.
_REBOOT_STATUS = 133
_READY_SECONDS = 120
#: As in the image's initrd.
_FILL = BOOT / "initrd/usr/lib/postolka/fill"

# Both scripts: $1 the machine's directory, $2 the state's, $3 the root's layers as overlayfs wants
# them, $4 the program that fills a state, then the command, run in the merged root. What differs
# from the image as it was baked is done here as the image's finishing does it; the files are empty
# there, and bound over by systemd.
_MOUNT = r"""
set -eu
umask 022
directory=$1 state=$2 layers=$3 fill=$4; shift 4
mkdir -p "$directory/root"
mount -t tmpfs -o mode=0755 postolka "$directory/root"
cd "$directory/root"
mkdir upper work merged
mount -t overlay -o "lowerdir=$layers,upperdir=upper,workdir=work" postolka merged
cd merged
: >etc/machine-id
: >etc/fstab
echo localhost >etc/hostname
# In the image they lie there already; here only below what will cover it.
cp -a home var/home
cp -a root var/roothome
mkdir -p "$state"
# Without its sync(1), which waits for all that the host has to write: whoever kills a container
# leaves the host's memory of its files as it is. Its exit ends the subshell.
(sync() { :; }; set -- "$PWD/var" "$state" "$layers"; . "$fill")
exec "$@"
"""

# All that the machine changes in its root is its state. `volatile`: a disposable machine's fsync(2)
# needn't reach the disk. Overlayfs doesn't take the work directory of such a mount again.
_MOUNT_WRITABLE = r"""
set -eu
umask 022
directory=$1 state=$2 layers=$3; shift 4
mkdir -p "$directory/root" "$state/upper"
cd "$state"
rm -rf work
mkdir work
mount -t overlay -o "lowerdir=$layers,upperdir=upper,workdir=work,volatile" postolka \
    "$directory/root"
cd "$directory/root"
exec "$@"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(guest.Request):
    """What to boot."""

    layers: Sequence[Path]
    """Directories of the root, highest first."""
    is_writable: bool = False
    """The root isn't an image's: it is mounted writable, and all that changes in it is state."""
    arguments: Sequence[str] = ()
    """For the container's init: what a machine has on its kernel's command line."""


def run(request: Request, *, progress: Callable[[str], None] | None = None) -> Machine:
    """Boot a container and return once it is ready; it stays until it is stopped.

    Without user-data it is ready when it waits for them. Raises PostolkaError, and leaves nothing
    running, where it doesn't become ready.
    """
    return guest.run("container", start, request, timeout_seconds=_READY_SECONDS, progress=progress)


def start(directory: Path, request: Request) -> Machine:
    """Start a container in its directory in the register, and don't wait for it."""
    main = guest.Program(
        command=lambda seeded: _command(directory, request, seeded),
        output="console",
        # The container's systemd knows only the unified hierarchy; the host may have both.
        environment={"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
        again_status=_REBOOT_STATUS,
    )
    return guest.launch(directory, "container", request, main)


def _command(directory: Path, request: Request, seeded: seed.Seed) -> list[str]:
    state = (request.state or directory / "state").absolute()
    layers = ":".join(str(path).replace(":", r"\:") for path in request.layers)
    name = cgroups.name(directory)
    mounts = [
        "--read-only",
        f"--bind={state}/var:/var",
        f"--bind={state}/var/home:/home",
        f"--bind={state}/var/roothome:/root",
    ]
    nspawn = [
        "systemd-nspawn",
        "--quiet",
        "--directory=.",
        "--boot",
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
        *(() if request.is_writable else mounts),
        f"--bind-ro={seeded.directory}:/var/lib/cloud/seed/nocloud",
    ]
    script = _MOUNT_WRITABLE if request.is_writable else _MOUNT
    enter = ["unshare", "--mount", "--", "sh", "-c", script, "postolka"]
    words = [str(directory), str(state), layers, str(_FILL)]
    return [*enter, *words, *nspawn, *request.arguments]
