"""`postolka lock` as its user sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from postolka import apt, cli, home, lock, wants
from postolka.errors import PostolkaError
from tests.unit.test_lock import SUITES, a_package

if TYPE_CHECKING:
    from pathlib import Path

WANTED = {
    "image": ("postfix",),
    "kernel": ("linux-image-amd64",),
    "tools": (),
    "lab": (),
    "clients": (),
    "mkosi": (),
    "mkosi-image": (),
}
LOCK = lock.Lock(suites=SUITES, wanted=WANTED, packages=(a_package(),))


@pytest.fixture(name="path")
def _path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where the lock of an empty checkout is; its rooms want what LOCK has."""
    monkeypatch.setattr(home, "CHECKOUT", tmp_path)
    monkeypatch.setattr(wants, "wanted", lambda: WANTED)
    monkeypatch.setattr(apt, "lock", lambda *_: LOCK)
    return tmp_path / "postolka.lock"


def test_a_missing_lock_is_written(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a lock the packages are resolved, and the next command is named."""
    assert cli.main(["lock"]) == 0
    assert lock.parse(path.read_text()) == LOCK
    said = capsys.readouterr()
    assert said.out == f"{path}: 1 packages\n"
    assert "next: postolka build" in said.err


def test_a_complete_lock_is_left_alone(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a lock nothing is resolved unless --update asks for it."""
    path.write_text(lock.serialise(LOCK))
    before = path.stat().st_mtime_ns
    assert cli.main(["lock"]) == 0
    assert path.stat().st_mtime_ns == before
    assert "complete, 1 packages" in capsys.readouterr().out
    assert cli.main(["lock", "--update"]) == 0
    assert path.stat().st_mtime_ns != before


def test_an_incomplete_lock_is_an_error(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A room's new package isn't in the lock: exit code 1, the name, and the command."""
    path.write_text(lock.serialise(LOCK))
    monkeypatch.setattr(wants, "wanted", lambda: {**WANTED, "image": ("postfix", "rspamd")})
    assert cli.main(["lock"]) == 1
    said = capsys.readouterr().err
    assert "rspamd is not in the lock" in said
    assert "hint: postolka lock --update" in said


def test_a_broken_lock_is_an_error(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A lock that git left conflicts in is refused, and stays as it is."""
    path.write_text("<<<<<<< HEAD\n")
    assert cli.main(["lock"]) == 1
    assert capsys.readouterr().err.startswith("postolka: postolka.lock: not JSON")
    assert path.read_text() == "<<<<<<< HEAD\n"


def test_an_export_is_never_half_meant(path: Path, tmp_path: Path) -> None:
    """With --dry-run it is refused, rather than made."""
    path.write_text(lock.serialise(LOCK))
    assert cli.main(["lock", "--export", str(tmp_path / "mirror"), "--dry-run"]) == 1
    assert not (tmp_path / "mirror").exists()


def test_failure_to_resolve_keeps_the_old_lock(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mirror that doesn't answer costs nothing that was there."""
    path.write_text(lock.serialise(LOCK))

    def fail(*_: object) -> lock.Lock:
        raise PostolkaError("apt-get update", "no answer")

    monkeypatch.setattr(apt, "lock", fail)
    assert cli.main(["lock", "--update"]) == 1
    assert lock.parse(path.read_text()) == LOCK
