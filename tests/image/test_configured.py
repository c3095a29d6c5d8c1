"""The configured root: what the rooms make of the packages, applied once and for good."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from postolka import build, deployer, home, trees
from postolka.derivation import GROUP_DATA
from postolka.errors import ProblemsError
from postolka.layers import configured as layer
from pyinfra_deploys import server, settings
from pyinfra_deploys.connectors.rootfs import Root
from tests import checkouts
from tests.image.overlay import mounted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from postolka.build import Built
    from postolka.lock import Lock


@pytest.fixture(name="configured", scope="module")
def _configured(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the root as a machine has it, writable."""
    with mounted(built.root_layers, tmp_path_factory.mktemp("configured")) as path:
        yield path


def test_a_second_application_changes_nothing(configured: Path, tmp_path: Path) -> None:
    """Every operation finds what it would have made."""
    parsed = settings.load(home.CHECKOUT / GROUP_DATA)
    log = tmp_path / "log"
    assert deployer.apply(configured, log, server.server, parsed) == 0, log.read_text()


def test_every_unit_of_the_rooms_is_enabled(configured: Path) -> None:
    """And those that need instance data wait for them."""
    for room in server.all_rooms():
        for unit in room.units:
            if unit.setting:
                continue
            done = Root(configured).run(["systemctl", "is-enabled", unit.name])
            assert done.stdout.strip() == b"enabled", unit.name
            gate = configured / f"etc/systemd/system/{unit.name}.d/50-postolka.conf"
            assert gate.exists() == unit.needs_instance, unit.name


def test_the_manifest_is_baked(configured: Path) -> None:
    """The agent reads the house as the rooms state it."""
    parsed = settings.load(home.CHECKOUT / GROUP_DATA)
    baked = json.loads((configured / "usr/share/postolka/house.json").read_text())
    assert baked == json.loads(json.dumps(server.house(parsed)))
    for file in baked["instance_files"].values():
        assert (configured / "usr/share/postolka/instance" / file["template"]).is_file()


def test_nothing_is_left_of_the_work(built: Built) -> None:
    """What commands and checkers needed for a moment isn't part of the layer."""
    upper = built.root_layers[0]
    left = [
        place
        for place in ("tmp", "run", "dev", "proc", "sys", "var/tmp")
        if (upper / place).is_dir() and any((upper / place).iterdir())
    ]
    assert left == []


def test_nothing_is_younger_than_the_lock(built: Built, locked: Lock) -> None:
    """No date of the builder's clock is in the layer."""
    epoch = locked.source_date_epoch
    young = [
        path
        for path in (built.root_layers[0], *built.root_layers[0].rglob("*"))
        if path.lstat().st_mtime > epoch
    ]
    assert young == []


def test_the_layer_is_the_same_again(built: Built, tmp_path: Path) -> None:
    """Applied afresh to the layers below it, the rooms give the same files, byte for byte."""
    parsed = settings.load(home.CHECKOUT / GROUP_DATA)
    with mounted(built.root_layers[-2:], tmp_path) as path:
        deployer.apply(path, tmp_path / "log", server.server, parsed)
        layer.compile_modules(path)
    plain = [
        [row[:6] for row in trees.entries(upper)]
        for upper in (built.root_layers[0], tmp_path / "upper")
    ]
    assert plain[0] == plain[1]


def test_it_knows_no_inode(built: Built) -> None:
    """What overlayfs notes about the files below is another on each disk, and isn't kept."""
    upper = built.root_layers[0]
    names = {
        name
        for path in [upper, *upper.rglob("*")]
        for name in os.listxattr(path, follow_symlinks=False)
    }
    assert {name for name in names if name.startswith("trusted.")} <= {"trusted.overlay.opaque"}


def test_a_file_that_a_checker_refuses_makes_no_image(
    disk: Built, locked: Lock, tmp_path: Path
) -> None:
    """The build names room, command and what it said, and ends while the image is being made."""
    assert disk.path.exists()
    checkout = checkouts.copy(tmp_path / "checkout", locked)
    with (checkout / "pyinfra_deploys/ssh/rootfs/etc/ssh/sshd_config.d/10-postolka.conf.j2").open(
        "a"
    ) as file:
        file.write("NoSuchWord yes\n")
    said: list[str] = []
    with pytest.raises(ProblemsError) as caught:
        build.realise(checkout, progress=said.append)
    # What no other room's checkers read they needn't look at again.
    assert [line for line in said if line.startswith("checking")] == ["checking the files of ssh"]
    assert [problem.path for problem in caught.value.problems] == ["ssh"]
    assert "NoSuchWord" in caught.value.problems[0].text
    assert build.recall(checkout, want="root") is None
    assert build.recall(checkout, want="disk") is None
