"""The golden disk: the same bytes wherever it is made, and laid out as a machine needs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from postolka.debs import sha256
from postolka.run import CommandError
from tests import checkouts
from tests.image import homes

if TYPE_CHECKING:
    from postolka.build import Built
    from postolka.debs import Debs
    from postolka.lock import Lock
    from postolka.tools import Tools

# Another machine, as far as a build could notice it.
_ELSEWHERE = 'hostname elsewhere; umask 077; exec taskset --cpu-list 0 "$@"'
_SURROUNDINGS = {"TZ": "Asia/Kathmandu", "LC_ALL": "C", "SOURCE_DATE_EPOCH": "1"}
# https://uapi-group.org/specifications/specs/discoverable_partitions_specification/
_ESP = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
_BIOS = "21686148-6449-6E6F-744E-656564454649"
_ROOT = "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"
_VERITY = "2C7357ED-EBD2-46D9-AEC1-23D437EC2BF5"
_SECTOR = 512


@pytest.fixture(name="golden", scope="module")
def _golden(disk: Built) -> Path:
    assert disk.disk
    return disk.disk


@pytest.fixture(name="partitions", scope="module")
def _partitions(golden: Path, toolbox: Tools) -> list[dict[str, Any]]:
    said = toolbox.run(["sfdisk", "--json", "/disk.raw"], binds={"/disk.raw": golden})
    found: list[dict[str, Any]] = json.loads(said)["partitiontable"]["partitions"]
    return found


@pytest.fixture(name="command_line", scope="module")
def _command_line(golden: Path, toolbox: Tools, partitions: list[dict[str, Any]]) -> list[str]:
    """Return the words of the command line in the one kernel image of the disk."""
    disk = f"/disk.raw@@{partitions[0]['start'] * _SECTOR}"
    script = 'mcopy -i "$1" "::/EFI/Linux/*" /tmp; exec ukify inspect /tmp/* --json=short'
    argv = ["sh", "-euc", f"{script} --section=.cmdline:text", "sh", disk]
    said = json.loads(toolbox.run(argv, binds={"/disk.raw": golden}))
    text: str = said[".cmdline"]["text"]
    return text.split()


def _built_elsewhere(directory: Path, checkout: Path) -> Path:
    """Build in the generator's directory `directory` under other circumstances; return the disk."""
    argv = ["unshare", "--uts", "sh", "-euc", _ELSEWHERE, "sh"]
    said = subprocess.check_output(
        [*argv, sys.executable, "-P", "-m", "postolka", "build"],
        env={
            **os.environ,
            **_SURROUNDINGS,
            "PYTHONPATH": str(checkout),
            "POSTOLKA_HOME": str(directory),
        },
        text=True,
    )
    return Path(said.strip()) / "disk.raw"


@pytest.mark.soak
def test_the_disk_is_the_same_elsewhere(
    golden: Path, locked: Lock, debs: Debs, tmp_path: Path
) -> None:
    """Root, image, initrd and disk, made with another name, umask, time zone and processor count.

    Tools root and package layer have the same test of their own.
    """
    homes.fill(tmp_path / "home", debs, ("tools", "packages"))
    checkout = checkouts.copy(tmp_path / "checkout", locked)
    made = _built_elsewhere(tmp_path / "home", checkout)
    assert not made.samefile(golden)
    assert sha256(made) == sha256(golden)


@pytest.mark.soak
def test_the_disk_is_the_same_from_nothing(
    golden: Path, locked: Lock, debs: Debs, tmp_path: Path
) -> None:
    """The same with every layer made again: nothing that the store had was made by other rules."""
    homes.fill(tmp_path / "home", debs)
    checkout = checkouts.copy(tmp_path / "checkout", locked)
    assert sha256(_built_elsewhere(tmp_path / "home", checkout)) == sha256(golden)


def test_partitions_are_where_firmware_and_initrd_look(partitions: list[dict[str, Any]]) -> None:
    """An ESP for UEFI, 1 MiB for a BIOS boot loader, the first slot; the rest is made at boot."""
    assert [partition["type"] for partition in partitions] == [_ESP, _BIOS, _ROOT, _VERITY]
    version = partitions[2]["name"].removeprefix("root_")
    names = ["esp", "bios", f"root_{version}", f"verity_{version}"]
    assert [partition["name"] for partition in partitions] == names
    assert partitions[0]["size"] * _SECTOR >= 260 << 20
    assert partitions[1]["size"] * _SECTOR == 1 << 20


def test_the_kernel_knows_the_root_by_its_hash(
    partitions: list[dict[str, Any]], command_line: list[str]
) -> None:
    """The command line has the root hash, whose halves are the ids of the two partitions."""
    (root_hash,) = (word[9:] for word in command_line if word.startswith("roothash="))
    ids = [str(uuid.UUID(half)).upper() for half in (root_hash[:32], root_hash[32:])]
    assert [partition["uuid"] for partition in partitions[2:]] == ids


def test_the_root_on_the_disk_has_that_hash(
    golden: Path,
    toolbox: Tools,
    partitions: list[dict[str, Any]],
    command_line: list[str],
    tmp_path: Path,
) -> None:
    """dm-verity accepts the two partitions, and doesn't when a byte has changed."""
    (root_hash,) = (word[9:] for word in command_line if word.startswith("roothash="))
    for name, partition in zip(("root", "verity"), partitions[2:], strict=True):
        start, size = (partition[key] * _SECTOR >> 20 for key in ("start", "size"))
        words = [f"if={golden}", f"of={tmp_path / name}", f"skip={start}", f"count={size}"]
        subprocess.run(["dd", *words, "bs=1M", "conv=sparse", "status=none"], check=True)
    verify = ["veritysetup", "verify", "/disk/root", "/disk/verity", root_hash]
    toolbox.run(verify, binds={"/disk": tmp_path})
    with (tmp_path / "root").open("r+b") as root:
        root.seek(100 << 20)
        byte = root.read(1)
        root.seek(-1, os.SEEK_CUR)
        root.write(bytes([byte[0] ^ 1]))
    with pytest.raises(CommandError, match="Verification"):
        toolbox.run(verify, binds={"/disk": tmp_path})
