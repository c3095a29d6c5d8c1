"""Packer's qemu builder: a stock Debian 13 that boots, and is provisioned over SSH.

What people do today: install the packages with apt in a running machine, copy the configuration,
shut down. The machine's first disk is mkosi's work, from the locked packages; the second one has
their repository, so that no network is needed, and it has none but the way by which Packer comes.
Everything runs in namespaces of its own, and dies with this process.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from postolka import home, vm
from postolka.run import run
from tests.bench.mkosi import Image
from tests.container import stock

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from postolka.tools import Tools

_TEMPLATE = home.CHECKOUT / "tests/bench/packer"
_KERNEL = "linux-image-amd64"
_ROOT = """\
[Partition]
Type=root
Format=ext4
CopyFiles=/
SizeMinBytes=8G
"""
_NETWORK = "[Match]\nType=ether\n\n[Network]\nDHCP=yes\n"
# As a cloud's images have it: a user who logs in by the key, and may do everything.
_FINISH = """\
#!/bin/sh
set -eu
useradd --create-home --shell /bin/bash debian
install -d -m 0700 -o debian -g debian /home/debian/.ssh
echo '{key}' >/home/debian/.ssh/authorized_keys
echo 'debian ALL=(ALL:ALL) NOPASSWD: ALL' >/etc/sudoers.d/debian
"""
_UNITS = "disable ssh.socket\nenable ssh.service\nenable systemd-networkd.service\ndisable *\n"
_COMMAND_LINE = "rw console=ttyS0 systemd.firstboot=off"
# Packer is the first process of its namespace, and there is no network but loopback.
_ENTER = 'ip link set lo up; exec packer "$@"'
_APART = (
    "setpriv", "--pdeathsig", "KILL", "--",
    "unshare", "--mount", "--propagation", "private", "--net", "--pid", "--fork", "--kill-child",
    "--mount-proc", "--", "sh", "-euc", _ENTER, "packer",
)  # fmt: skip


def is_possible() -> bool:
    """Whether there is a Packer: Debian 13 has none."""
    return shutil.which("packer") is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Provision:
    """A machine that Packer is to provision."""

    work: Path
    values: Path
    """The template's variables."""
    has_kvm: bool

    def build(self) -> None:
        """Have Packer make the server's disk. Raises CommandError."""
        run(
            [*_APART, "build", "-color=false", f"-var-file={self.values}", str(_TEMPLATE)],
            environment={
                "CHECKPOINT_DISABLE": "1",
                "HOME": str(self.work),
                "PACKER_CACHE_DIR": str(self.work / "cache"),
                "TMPDIR": str(self.work / "tmp"),
            },
            log=self.work / "packer.log",
        )


def prepare(  # noqa: PLR0913 - each is one input of the machine
    work: Path,
    packages: Iterable[str],
    configuration: Path,
    *,
    mirror: Path,
    mkosi: Tools,
    toolbox: Tools,
) -> Provision:
    """Make the machine's disks and all that Packer is told, below `work`.

    `configuration`: the tree that comes into the server's /etc. `mirror`: a repository.
    """
    (work / "tmp").mkdir(parents=True)
    key = work / "key"
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(key)])
    base = _base(work / "base", key.with_suffix(".pub").read_text().strip(), mirror, mkosi)
    toolbox.run(
        ["mkfs.erofs", "--quiet", "/out/mirror.erofs", "/mirror"],
        binds={"/mirror": mirror},
        writes={"/out": work},
    )
    tar = work / "configuration.tar"
    run(["tar", "--create", "--file", str(tar), "--directory", str(configuration), "."])
    firmware_variables = work / "variables.fd"
    shutil.copy(vm.VARIABLES, firmware_variables)
    has_kvm = vm.has_kvm(base)
    _, accelerator, _, processor = vm.KVM if has_kvm else vm.TCG
    values = work / "values.json"
    values.write_text(
        json.dumps(
            {
                "base": str(base),
                "mirror": str(work / "mirror.erofs"),
                "configuration": str(tar),
                "key": str(key),
                "packages": " ".join(packages),
                "output_directory": str(work / "made"),
                "console": str(work / "console"),
                "firmware": str(vm.FIRMWARE),
                "firmware_variables": str(firmware_variables),
                "accelerator": accelerator,
                "processor": processor,
            }
        )
    )
    return Provision(work=work, values=values, has_kvm=has_kvm)


def _base(work: Path, key: str, mirror: Path, mkosi: Tools) -> Path:
    """Return the disk of a stock Debian 13 that lets `key` in."""
    base = Image(work=work, mirror=mirror)
    base.describe([*stock.PACKAGES, _KERNEL, "systemd-boot"], _ROOT, _COMMAND_LINE)
    base.write("mkosi.postinst.chroot", _FINISH.format(key=key), 0o755)
    base.write("mkosi.extra/etc/systemd/network/80-dhcp.network", _NETWORK)
    base.write("mkosi.extra/usr/lib/systemd/system-preset/00-server.preset", _UNITS)
    return base.build(mkosi)
