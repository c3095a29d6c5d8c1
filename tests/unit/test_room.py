"""The vocabulary of a room: what its constants and folders say."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from postolka.errors import PostolkaError
from pyinfra_deploys import postfix, room
from pyinfra_deploys.room import Attributes, Egress, Port, Room, Unit
from pyinfra_deploys.sections import DovecotSettings
from pyinfra_deploys.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

OFF = replace(Settings(), dovecot=DovecotSettings(imaps=False))


def _room(folder: Path, **facts: object) -> Room:
    return Room(name="x", folder=folder, **facts)  # type: ignore[arg-type]


def test_a_room_is_read_from_its_modules_constants() -> None:
    """A constant that the module leaves out is empty."""
    facts = room.read(postfix)
    assert facts.name == "postfix"
    assert "postfix" in facts.packages
    assert facts.rootfs.name == "rootfs"
    assert facts.egress == getattr(postfix, "EGRESS", ())


def test_a_setting_switches_ports_units_and_flows(tmp_path: Path) -> None:
    """What names a setting is there only while the setting is on."""
    facts = _room(
        tmp_path,
        ports=(
            Port(number=993, name="imaps", setting="dovecot.imaps"),
            Port(number=143, name="imap"),
        ),
        units=(Unit(name="a.service", setting="dovecot.imaps"), Unit(name="b.service")),
        egress=(Egress(user="u", protocol="tcp", port=1, why="", setting="dovecot.imaps"),),
    )
    assert [port.number for port in room.ports([facts], Settings())] == [143, 993]
    assert [port.number for port in room.ports([facts], OFF)] == [143]
    assert [unit.name for unit in room.units([facts], OFF)] == ["b.service"]
    assert len(room.egress([facts], Settings())) == 1
    assert room.egress([facts], OFF) == ()


def test_an_instance_file_is_roots_alone_unless_the_room_says_else(tmp_path: Path) -> None:
    """It may hold a secret."""
    for name in ("a", "b"):
        (tmp_path / "instance/etc/x").mkdir(parents=True, exist_ok=True)
        (tmp_path / f"instance/etc/x/{name}.j2").write_text("")
    open_to_all = Attributes(mode="0644")
    facts = _room(tmp_path, files={"/etc/x/b": open_to_all})
    assert room.instance_files(facts) == (
        ("/etc/x/a", "etc/x/a.j2", Attributes(mode="0600")),
        ("/etc/x/b", "etc/x/b.j2", open_to_all),
    )


@pytest.mark.parametrize("name", ["etc/x/plain", "usr/lib/x.j2"])
def test_an_instance_file_is_a_template_below_etc(tmp_path: Path, name: str) -> None:
    """Only /etc is rendered at boot, and always from a template."""
    path = tmp_path / "instance" / name
    path.parent.mkdir(parents=True)
    path.write_text("")
    with pytest.raises(PostolkaError, match="a template"):
        room.instance_files(_room(tmp_path))
