"""The store: whole results, made once, whatever is killed meanwhile."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postolka.errors import PostolkaError
from postolka.run import CommandError
from postolka.store import Store, digest

KEY = "0123456789abcdef" * 4
OTHER = "f" * 64
CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(name="store")
def _store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def _finished(store: Store) -> list[str]:
    return sorted(path.name for path in store.root.glob("[!.]*"))


def _file(path: Path) -> None:
    path.write_text("made")


def test_result_is_made_once(store: Store) -> None:
    """The second call with the same key answers without making anything."""
    calls = []

    def make(path: Path) -> None:
        calls.append(path)
        path.mkdir()
        (path / "disk.raw").write_text("bytes")

    path = store.realise("disk", KEY, make)
    assert store.realise("disk", KEY, make) == path == store.get("disk", KEY)
    assert path.name == f"{KEY[:32]}-disk"
    assert (path / "disk.raw").read_text() == "bytes"
    assert len(calls) == 1


def test_another_key_is_another_path(store: Store) -> None:
    """Results of different inputs lie side by side."""
    assert store.realise("disk", KEY, _file) != store.realise("disk", OTHER, _file)
    assert store.get("root", KEY) is None


def test_result_is_not_writable(store: Store) -> None:
    """A finished path's own mode takes no write."""
    assert store.realise("file", KEY, _file).stat().st_mode & 0o222 == 0
    assert store.realise("folder", KEY, Path.mkdir).stat().st_mode & 0o222 == 0


@pytest.mark.parametrize("error", [RuntimeError("no"), KeyboardInterrupt()])
def test_failure_leaves_nothing(store: Store, error: BaseException) -> None:
    """A step that fails or is interrupted leaves no path, and the next try starts afresh."""

    def make(path: Path) -> None:
        path.mkdir()
        (path / "half").write_text("half")
        raise error

    with pytest.raises(type(error)):
        store.realise("disk", KEY, make)
    assert _finished(store) == []
    assert list((store.root / ".making").iterdir()) == []
    assert store.realise("disk", KEY, _file).read_text() == "made"


def test_full_disk_is_said_in_words(store: Store) -> None:
    """ENOSPC, by a call or in a tool's words, becomes one clear error."""

    def by_call(path: Path) -> None:
        path.write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def by_tool(_: Path) -> None:
        raise CommandError(["tar"], 2, "tar: x: No space left on device", None)

    for make in (by_call, by_tool):
        with pytest.raises(PostolkaError, match="no space left on the disk") as caught:
            store.realise("disk", KEY, make)
        assert "POSTOLKA_HOME" in str(caught.value.hint)
        assert _finished(store) == []


_PROGRAM = textwrap.dedent(
    """
    import sys, time
    from pathlib import Path
    from postolka.store import Store

    def make(path):
        path.mkdir()
        (path / "half").write_text("half")
        Path(sys.argv[2]).write_text("started")
        time.sleep(float(sys.argv[3]))
        (path / "whole").write_text("whole")

    Store(Path(sys.argv[1])).realise("disk", "0123456789abcdef" * 4, make)
    """
)


def _start(store: Store, flag: Path, seconds: float) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-c", _PROGRAM, str(store.root), str(flag), str(seconds)]
    started = subprocess.Popen(words, cwd=CHECKOUT)
    deadline = time.monotonic() + 20
    while not flag.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return started


def test_killed_build_leaves_no_path(store: Store, tmp_path: Path) -> None:
    """After SIGKILL no finished path is there, and the next build of any key cleans up."""
    build = _start(store, tmp_path / "flag", 60)
    build.send_signal(signal.SIGKILL)
    build.wait()
    assert _finished(store) == []
    assert len(list((store.root / ".making").iterdir())) == 1
    store.realise("other", OTHER, _file)
    assert list((store.root / ".making").iterdir()) == []


def test_two_builds_share_one_result(store: Store, tmp_path: Path) -> None:
    """The second build of a key waits for the first and makes nothing."""
    build = _start(store, tmp_path / "flag", 0.5)

    def never(_: Path) -> None:
        pytest.fail("made although another build was making it")

    path = store.realise("disk", KEY, never)
    assert (path / "whole").exists()
    assert build.wait() == 0


def test_live_build_of_another_key_is_left_alone(store: Store, tmp_path: Path) -> None:
    """Cleaning up after killed builds doesn't touch one that is at work."""
    build = _start(store, tmp_path / "flag", 0.5)
    store.realise("other", OTHER, _file)
    assert build.wait() == 0
    assert len(_finished(store)) == 2


def test_fast_key_leads_to_the_result(store: Store) -> None:
    """A remembered path is found again, and forgotten when it has gone."""
    assert store.recall("a" * 64, "disk") is None
    path = store.realise("disk", KEY, _file)
    store.remember("a" * 64, "disk", path)
    assert store.recall("a" * 64, "disk") == path
    assert store.recall("b" * 64, "disk") is None
    path.unlink()
    assert store.recall("a" * 64, "disk") is None


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), _values))
def test_digest_ignores_the_order_of_keys(data: dict[str, object]) -> None:
    """Equal data have equal hashes."""
    assert digest(data) == digest(dict(reversed(data.items())))


def test_digest_refuses_what_has_no_canonical_form() -> None:
    """A path or a set among the inputs is a bug, not a hash of its repr."""
    with pytest.raises(TypeError):
        digest({"path": Path("/")})


def test_note_that_goes_meanwhile_is_none(store: Store, tmp_path: Path) -> None:
    """Builds that end at the same moment tidy up the same notes."""
    path = store.realise("disk", KEY, _file)
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        store.keep(tmp_path / name, path)
    notes = store.kept()
    next(notes)
    for record in (store.root / ".roots").iterdir():
        record.unlink()
    assert list(notes) == []
