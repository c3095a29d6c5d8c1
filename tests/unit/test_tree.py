"""What a room installs: rendered, attributed and packed before any machine is touched."""

from __future__ import annotations

import io
import os
import tarfile
from typing import TYPE_CHECKING

import pytest

from postolka.errors import ProblemsError
from pyinfra_deploys import tree
from pyinfra_deploys.room import Attributes, Room, Unit
from pyinfra_deploys.settings import Settings
from pyinfra_deploys.tree import Entry

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    (tmp_path / "rootfs/etc/x").mkdir(parents=True)
    (tmp_path / "instance/etc").mkdir(parents=True)
    return tmp_path


def _entries(
    folder: Path,
    *,
    files: Mapping[str, Attributes] | None = None,
    units: tuple[Unit, ...] = (),
    extra: Mapping[str, bytes] | None = None,
) -> dict[str, Entry]:
    room = Room(name="x", folder=folder, files=files or {}, units=units)
    found = tree.entries(room, Settings(), {"ports": [25]}, extra or {})
    assert list(found) == sorted(found, key=lambda entry: entry.path)
    return {entry.path: entry for entry in found}


def test_a_file_lands_at_its_own_path(folder: Path) -> None:
    """The repository's path below rootfs is the image's; a program stays one."""
    (folder / "rootfs/etc/x/plain").write_bytes(b"\xff\0")
    program = folder / "rootfs/etc/x/program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    found = _entries(folder)
    assert found["/etc/x/plain"] == Entry(path="/etc/x/plain", content=b"\xff\0")
    assert found["/etc/x/program"].mode == "0755"


def test_a_template_is_rendered_from_settings_and_house(folder: Path) -> None:
    """`.j2` goes, the rest of the name stays; a tag's own line leaves no trace."""
    (folder / "rootfs/etc/x/a.conf.j2").write_text(
        "{% for port in house.ports %}\n"
        "{{ port }} {{ settings.postfix.message_size_limit_mib }}\n"
        "{% endfor %}\n"
    )
    assert _entries(folder)["/etc/x/a.conf"].content == b"25 50\n"


def test_every_template_that_fails_is_named_with_its_line(folder: Path) -> None:
    """An unknown name and broken syntax are one error."""
    (folder / "rootfs/etc/x/a.j2").write_text("fine\n{{ settings.postfix.no_such }}\n")
    (folder / "rootfs/etc/x/b.j2").write_text("{% if %}\n")
    with pytest.raises(ProblemsError) as caught:
        _entries(folder)
    assert [problem.path for problem in caught.value.problems] == [
        "rootfs/etc/x/a.j2:2",
        "rootfs/etc/x/b.j2:1",
    ]


def test_a_link_stays_a_link(folder: Path) -> None:
    """Its target is taken word for word, also where it leads nowhere here."""
    (folder / "rootfs/etc/x/link").symlink_to("/run/nowhere")
    entry = _entries(folder)["/etc/x/link"]
    assert (entry.kind, entry.target) == ("link", "/run/nowhere")


def test_owner_and_mode_come_from_the_room(folder: Path) -> None:
    """FILES also makes directories, by a slash at the end."""
    (folder / "rootfs/etc/x/secret").write_text("")
    owner = Attributes(mode="0640", user="a", group="b")
    found = _entries(folder, files={"/etc/x/secret": owner, "/var/lib/x/": owner})
    assert (found["/etc/x/secret"].mode, found["/etc/x/secret"].user) == ("0640", "a")
    assert found["/var/lib/x"].kind == "directory"
    assert found["/var/lib/x"].group == "b"


def test_attributes_of_nothing_are_a_mistake(folder: Path) -> None:
    """A key of FILES that names no file is a typo; so is a mode that isn't octal."""
    (folder / "rootfs/etc/x/a").write_text("")
    with pytest.raises(ProblemsError) as caught:
        _entries(folder, files={"/etc/x/b": Attributes(), "/etc/x/a": Attributes(mode="rw")})
    assert [problem.path for problem in caught.value.problems] == ["/etc/x/a", "/etc/x/b"]


def test_a_path_is_installed_once(folder: Path) -> None:
    """A template and a plain file of the same name would fight."""
    (folder / "rootfs/etc/x/a").write_text("")
    (folder / "rootfs/etc/x/a.j2").write_text("")
    with pytest.raises(ProblemsError, match="is there twice"):
        _entries(folder)


@pytest.mark.parametrize("path", ["/etc/a b", "/etc/a\nb", "etc/a", "/etc/../a", "/etc/$(a)"])
def test_a_path_is_of_plain_characters(folder: Path, path: str) -> None:
    """Paths stand in commands and line by line in their output."""
    with pytest.raises(ProblemsError, match="plain characters"):
        _entries(folder, extra={path: b""})


def test_instance_templates_are_baked_as_they_are(folder: Path) -> None:
    """The agent renders them; a file directly in /etc is a link to where it does."""
    (folder / "instance/etc/mailname.j2").write_text("{{ instance.hostname }}\n")
    found = _entries(folder)
    template = found["/usr/share/postolka/instance/etc/mailname.j2"]
    assert template.content == b"{{ instance.hostname }}\n"
    assert found["/etc/mailname"].target == "/run/postolka/etc/mailname"


def test_part_of_templates_is_no_file(folder: Path) -> None:
    """What templates include is in the image with them, and is rendered nowhere by itself."""
    (folder / "instance/etc/_part.j2").write_text("shared\n")
    (folder / "instance/etc/whole.j2").write_text('{% include "etc/_part.j2" %}\n')
    found = _entries(folder)
    assert found["/usr/share/postolka/instance/etc/_part.j2"].content == b"shared\n"
    assert "/etc/whole" in found
    assert not any(path.startswith("/etc/_part") for path in found)


def test_a_service_waits_for_its_instance(folder: Path) -> None:
    """A unit that needs instance data has the gate, another hasn't."""
    units = (Unit(name="a.service"), Unit(name="b.service", needs_instance=False))
    gates = {
        path: entry for path, entry in _entries(folder, units=units).items() if "system" in path
    }
    assert list(gates) == ["/etc/systemd/system/a.service.d/50-postolka.conf"]
    assert b"ConditionPathExists=/run/postolka/configured" in gates.popitem()[1].content


def test_left_overs_of_python_are_no_files(folder: Path) -> None:
    """A program that tests import leaves bytecode beside it."""
    (folder / "rootfs/etc/x/__pycache__").mkdir()
    (folder / "rootfs/etc/x/__pycache__/a.pyc").write_bytes(b"")
    assert _entries(folder) == {}


def test_the_same_entries_give_the_same_archive(folder: Path) -> None:
    """Neither dates nor owners of the build host get in."""
    (folder / "rootfs/etc/x/a").write_text("a")
    (folder / "rootfs/etc/x/l").symlink_to("a")
    first = tree.pack(_entries(folder).values())
    os.utime(folder / "rootfs/etc/x/a", (1, 1))
    assert tree.pack(_entries(folder).values()) == first
    with tarfile.open(fileobj=io.BytesIO(first)) as archive:
        members = {member.name: member for member in archive.getmembers()}
    assert set(members) == {"etc/x/a", "etc/x/l"}
    assert members["etc/x/a"].mtime == 0
    assert (members["etc/x/a"].uid, members["etc/x/a"].mode) == (0, 0o644)
