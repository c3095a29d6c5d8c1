"""`postolka vm` and `container` with bad input: told in one form before anything is built."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from postolka import build, cli, home
from postolka.lab import client

if TYPE_CHECKING:
    from pathlib import Path

KINDS = ("vm", "container")


@pytest.fixture(autouse=True)
def _nothing_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the command an empty home, and fail where it builds or starts a lab."""
    monkeypatch.setenv("POSTOLKA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(build, "realise", lambda **_: pytest.fail("something is built"))
    monkeypatch.setattr(client, "start", lambda **_: pytest.fail("a lab is started"))


def _refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Run the command, which fails with exit code 1 and an error alone; return that."""
    assert cli.main([*words]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("postolka: ")
    assert not home.machines().exists() or list(home.machines().glob("[!.]*")) == []
    return said.err


@pytest.mark.parametrize("kind", KINDS)
def test_unreadable_user_data_are_an_error(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that isn't there, or is no file."""
    none = tmp_path / "none"
    for file, why in ((none, "No such file or directory"), (tmp_path, "Is a directory")):
        said = _refused(capsys, kind, "run", "--user-data", str(file))
        assert said == f"postolka: {file}: can't be read: {why}\n"


@pytest.mark.parametrize("kind", KINDS)
def test_a_lab_wants_the_zone_beside_user_data(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without it no mail would find the machine, and nobody would know why."""
    (tmp_path / "user-data").write_text("#cloud-config\n")
    words = (kind, "run", "--lab", "--user-data", str(tmp_path / "user-data"))
    said = _refused(capsys, *words)
    assert said.startswith(f"postolka: {tmp_path}/zone: can't be read: No such file")
    assert "hint: the lab's DNS loads it: postolka instance new" in said
    (tmp_path / "zone").write_bytes(b"\xff")
    assert f"{tmp_path}/zone: can't be read" in _refused(capsys, *words)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["", "Mail", "-a", "a/../b", "a" * 32])
def test_a_bad_name_is_an_error(kind: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A name is part of paths, and of the names of links and control groups."""
    said = _refused(capsys, kind, "run", f"--name={name}")
    assert f'"{name}": a name has up to 31 of a-z, 0-9 and -' in said
    assert "hint: choose another --name" in said


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("action", ["stop", "ssh", "console"])
@pytest.mark.parametrize("name", ["nobody", "../store"])
def test_an_unknown_machine_is_an_error(
    kind: str, action: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every action says which machines there are."""
    said = _refused(capsys, kind, action, name)
    assert said == f"postolka: {name}: no such machine\nhint: running now: none\n"


@pytest.mark.parametrize("kind", KINDS)
def test_no_machine_is_an_empty_list(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing for a reader, and JSON for a script."""
    assert cli.main([kind, "list"]) == 0
    assert capsys.readouterr().out == ""
    assert cli.main([kind, "list", "--json"]) == 0
    assert capsys.readouterr().out == "[]\n"


@pytest.mark.parametrize("cpus", ["-1", "0", "256"])
def test_number_of_cpus_that_none_has_is_an_error(
    cpus: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is built or booted for it."""
    said = _refused(capsys, "vm", "run", f"--cpus={cpus}")
    assert said == f"postolka: --cpus: must be 1 to 255, not {cpus}\n"


@pytest.mark.parametrize("memory", ["-1", "0", "511"])
def test_too_little_memory_is_an_error(memory: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A machine that can't come up isn't waited for."""
    said = _refused(capsys, "vm", "run", f"--memory={memory}")
    assert said == f"postolka: --memory: must be 512 or more, not {memory}\n"
