"""What a virtual machine may meet: a state partition elsewhere, bad data, cuts of its power."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

import pytest

from postolka import acceptance, machines
from tests import checkouts, started
from tests.container.conftest import Instance, new_instance
from tests.vm.conftest import BOOT_SECONDS, Boots, ask, await_state, running

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.soak

_HEALTH = {
    "failed": "systemctl list-units --failed --no-legend --plain",
    "labels": "restorecon -nR -v /var",
    "var": "findmnt --noheadings --output SOURCE /var",
    "disks": "lsblk --noheadings --raw --output PATH,PARTLABEL",
}


def _new_state_disk(directory: Path) -> Path:
    """Make a disk with one empty partition that is labelled as the state's."""
    (directory / "definitions").mkdir(parents=True)
    (directory / "definitions/state.conf").write_text(
        "[Partition]\nType=linux-generic\nLabel=postolka-state\nFormat=ext4\n", encoding="ascii"
    )
    words = ["--empty=create", "--size=2G", "--offline=yes", "--dry-run=no"]
    checkouts.unpacked("tools").run(
        ["systemd-repart", *words, "--definitions=/made/definitions", "/made/disk.raw"],
        writes={"/made": directory},
    )
    return directory / "disk.raw"


def test_state_partition_is_found_on_another_disk(boots: Boots, tmp_path: Path) -> None:
    """By its label; then the root's own disk gets none."""
    disk = _new_state_disk(tmp_path / "disk")
    instance = new_instance(tmp_path / "files", domain="disk.test")
    request = boots.request(instance, "disk", tmp_path / "state")
    with running(dataclasses.replace(request, more_disks=(disk,))) as machine:
        assert await_state(machine).word == "ready"
        seen = ask(machine, _HEALTH)
        assert seen["var"] == "/dev/vdb1[/var]"
        assert "/dev/vdb1 postolka-state" in seen["disks"].splitlines()
        assert seen["disks"].count("postolka-state") == 1
        assert (seen["failed"], seen["labels"]) == ("", "")
        assert acceptance.receive(acceptance.subject(machine, boots.lab, instance.directory))


def test_bad_data_leave_ssh_only_and_good_ones_start_the_server(
    boots: Boots, tmp_path: Path
) -> None:
    """The same machine, by its id too, serves once the platform gives it good data."""
    instance = new_instance(tmp_path / "files", domain="bad.test")
    request = boots.request(instance, "bad", tmp_path / "state")
    broken = instance.user_data.replace(b"algorithm: rsa", b"algorithm: rot13")
    listening = {"ports": "ss --listening --tcp --numeric --no-header | awk '{print $4}'"}
    with running(dataclasses.replace(request, user_data=broken)) as machine:
        state = await_state(machine)
        assert state.word == "waiting"
        assert any("algorithm" in problem for problem in state.problems)
        addresses = ask(machine, listening)["ports"].split()
        open_ports = {a.rpartition(":")[2] for a in addresses if not a.startswith("127.")}
        assert open_ports == {"22"}
    with running(request) as machine:
        assert await_state(machine).word == "ready"
        assert ask(machine, _HEALTH)["failed"] == ""
        assert acceptance.receive(acceptance.subject(machine, boots.lab, instance.directory))


#: What the console shows, and how many seconds later the power goes.
_POINTS = (
    ("Starting postolka-state", 0.0),  # before anything is written
    ("Starting postolka-state", 0.8),  # the partition table, the file system
    ("EXT4-fs (vd", 0.0),  # an empty state partition
    ("filling the state partition", 0.2),
    ("filling the state partition", 0.5),
    ("Switch Root", 0.5),
    ("Starting postolka-instance", 0.5),
    ("Starting mariadb-init", 4.0),
    # By now a login prompt has the console to itself, and units no longer show there.
    ("Starting mariadb-init", 14.0),
    ("postolka: ready", 0.2),  # the blessing
)


@pytest.mark.parametrize("point", range(len(_POINTS)))
def test_power_cut_in_the_first_boot_is_survived(
    boots: Boots, cut: Instance, tmp_path: Path, point: int
) -> None:
    """Wherever the first boot is cut off, the next one finishes it."""
    sign, seconds = _POINTS[point]
    request = boots.request(cut, f"cut-{point}", tmp_path / "state")
    with running(request) as machine:
        started.await_sign(machine, sign, timeout_seconds=BOOT_SECONDS)
        time.sleep(seconds)
        machines.kill(machine.name)
    with running(request) as machine:
        assert await_state(machine).word == "ready"
        seen = ask(machine, _HEALTH)
        assert (seen["failed"], seen["labels"]) == ("", "")
        assert seen["disks"].count("postolka-state") == 1
        assert acceptance.receive(acceptance.subject(machine, boots.lab, cut.directory))
        # Nothing more is wanted from it: a shutdown would only take time.
        machines.kill(machine.name)


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Instance:
    """Return the instance whose first boots are cut off."""
    return new_instance(tmp_path_factory.mktemp("cut") / "files", domain="cut.test")
