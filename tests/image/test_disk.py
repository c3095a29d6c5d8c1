"""The golden disk is laid out as a machine needs it."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from postolka.run import CommandError

if TYPE_CHECKING:
    from pathlib import Path

    from postolka.build import Built
    from postolka.tools import Tools

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


def test_partitions_are_where_firmware_and_initrd_look(partitions: list[dict[str, Any]]) -> None:
    """An ESP for UEFI, 1 MiB for a BIOS boot loader, the first slot; the rest is made at boot."""
    assert [partition["type"] for partition in partitions] == [_ESP, _BIOS, _ROOT, _VERITY]
    version = partitions[2]["name"].removeprefix("root_")
    names = ["esp", "bios", f"root_{version}", f"verity_{version}"]
    assert [partition["name"] for partition in partitions] == names
    assert partitions[0]["size"] * _SECTOR >= 260 << 20
    assert partitions[1]["size"] * _SECTOR == 1 << 20


def test_both_tables_of_partitions_are_in_their_places(golden: Path, toolbox: Tools) -> None:
    """The second one is at the very end of a disk of whole MiB, and nothing else looks like one."""
    said = toolbox.run(["sfdisk", "--verify", "/disk.raw"], binds={"/disk.raw": golden}).decode()
    assert "No errors detected.\n" in said
    assert golden.stat().st_size % (1 << 20) == 0
    with golden.open("rb") as disk:
        disk.seek(-(1 << 20), os.SEEK_END)
        assert disk.read().count(b"EFI PART") == 1


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
