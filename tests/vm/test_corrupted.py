"""A disk that gives other bytes than the image's: dm-verity lets nobody read them."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from postolka import machines
from tests import checkouts, started
from tests.container.conftest import new_instance
from tests.vm.conftest import Boots, ask, await_state, running

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.soak

#: A program that nothing starts, so that the boot doesn't end there.
_FILE = "/usr/bin/perror"
_SECTOR = 512


def _damage(disk: Path, file: str) -> None:
    """Flip one bit of the file's content in the disk's root partition."""
    toolbox = checkouts.unpacked("tools")
    binds = {"/disk.raw": disk}
    table = json.loads(toolbox.run(["sfdisk", "--json", "/disk.raw"], binds=binds))
    root = next(
        part for part in table["partitiontable"]["partitions"] if part["name"].startswith("root_")
    )
    start = root["start"] * _SECTOR
    command = ["dump.erofs", f"--offset={start}", "-e", f"--path={file}", "/disk.raw"]
    extents = re.findall(rb"(?m)^ *\d+: .*: +(\d+)\.\. *\d+ \|", toolbox.run(command, binds=binds))
    with disk.open("r+b") as raw:
        raw.seek(start + int(extents[0]) + 1000)
        (byte,) = raw.read(1)
        raw.seek(-1, 1)
        raw.write(bytes([byte ^ 1]))


def test_flipped_bit_is_never_read(boots: Boots, tmp_path: Path) -> None:
    """Who reads it stops the machine, and the kernel says why, before it starts again."""
    disk = tmp_path / "disk.raw"
    assert boots.built.disk
    subprocess.run(["cp", "--sparse=always", boots.built.disk, disk], check=True)
    _damage(disk, _FILE)
    instance = new_instance(tmp_path / "files", domain="flipped.test")
    request = boots.request(instance, "flipped", tmp_path / "state")
    with running(dataclasses.replace(request, disk=disk)) as machine:
        assert await_state(machine).word == "ready"
        assert ask(machine, {"other": "cat /usr/bin/mariadb-show >/dev/null"})["other"] == ""
        with subprocess.Popen([*machine.ssh(), f"cat {_FILE} >/dev/null"]) as reader:
            started.await_sign(machine, "is corrupted", timeout_seconds=60)
            started.await_sign(machine, "Kernel panic - not syncing: dm-verity", timeout_seconds=60)
            reader.kill()
        machines.kill(machine.name)
