"""What the initrd puts on the state partition: everything at first, what is missing later."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from postolka.layers.inputs import BOOT

if TYPE_CHECKING:
    from pathlib import Path

_FILL = BOOT / "initrd/usr/lib/postolka/fill"


class Partition:
    """A state directory and the factory of an image that boots on it."""

    def __init__(self, directory: Path) -> None:
        self.factory = directory / "factory"
        self.state = directory / "state"
        self.var = self.state / "var"
        self.state.mkdir(parents=True)
        for name in ("lib/old", "home", "roothome"):
            (self.factory / name).mkdir(parents=True)
        (self.factory / "lib/old/file").write_text("from the image")

    def boot(self, version: str = "1") -> str:
        """Fill it as the image `version` does; return what is said."""
        command = ["sh", str(_FILL), str(self.factory), str(self.state), version]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def partition(tmp_path: Path) -> Partition:
    """Return an empty state partition."""
    return Partition(tmp_path)


def _snapshot(top: Path) -> dict[str, tuple[object, ...]]:
    found: dict[str, tuple[object, ...]] = {}
    for path in (top, *top.rglob("*")):
        status = path.lstat()
        content = path.read_text() if path.is_file() else ""
        where = str(path.relative_to(top))
        found[where] = (status.st_mode, status.st_ino, status.st_ctime_ns, content)
    return found


def test_first_start_copies_all(partition: Partition) -> None:
    """An empty partition gets the factory's tree, with modes and dates."""
    (partition.factory / "lib/old").chmod(0o750)
    assert "filling" in partition.boot()
    assert (partition.var / "lib/old/file").read_text() == "from the image"
    for name in ("lib/old", "lib/old/file"):
        ours, theirs = ((top / name).stat() for top in (partition.factory, partition.var))
        assert (ours.st_mode, ours.st_mtime_ns) == (theirs.st_mode, theirs.st_mtime_ns)


def test_next_start_of_the_same_image_touches_nothing(partition: Partition) -> None:
    """What a machine has removed stays away, and no inode changes."""
    partition.boot()
    (partition.var / "lib/old/file").unlink()
    before = _snapshot(partition.state)
    assert partition.boot() == ""
    assert _snapshot(partition.state) == before


def test_another_image_adds_what_is_missing(partition: Partition) -> None:
    """New directories, files and links come in; what was there keeps mode, date and content."""
    partition.boot()
    (partition.var / "lib/old/file").write_text("the machine's own")
    (partition.var / "lib/old").chmod(0o700)
    (partition.var / "lib/old/mine").write_text("the machine's own too")
    before = _snapshot(partition.var)
    (partition.factory / "lib/old").chmod(0o755)
    (partition.factory / "lib/old/file").write_text("newer")
    (partition.factory / "lib/new/deep").mkdir(parents=True)
    (partition.factory / "lib/new").chmod(0o711)
    (partition.factory / "lib/old/.hidden").write_text("new")
    (partition.factory / "lib/link").symlink_to("nowhere")
    (partition.factory / "with space").mkdir()
    said = partition.boot("2")
    assert said.count("adding /var") == 4
    after = _snapshot(partition.var)
    assert set(after) - set(before) == {
        "lib/new",
        "lib/new/deep",
        "lib/old/.hidden",
        "lib/link",
        "with space",
    }
    assert (partition.var / "lib/new").stat().st_mode & 0o7777 == 0o711
    assert (partition.var / "lib/link").readlink().name == "nowhere"
    # A directory's own date changes with a new name in it, and nothing else of what was there.
    gained = {".", "lib", "lib/old"}
    assert {name: after[name] for name in before if name not in gained} == {
        name: before[name] for name in before if name not in gained
    }
    assert all(after[name][:2] == before[name][:2] for name in gained)
    assert partition.boot("2") == ""


def test_links_and_files_in_the_place_of_a_directory_stay(partition: Partition) -> None:
    """An operator may have put a directory elsewhere, behind a link."""
    partition.boot()
    elsewhere = partition.state / "elsewhere"
    (partition.var / "lib/old").rename(elsewhere)
    (partition.var / "lib/old").symlink_to(elsewhere)
    (partition.factory / "lib/old/more").write_text("new")
    partition.boot("2")
    assert (partition.var / "lib/old").is_symlink()
    assert not (elsewhere / "more").exists()


def test_homes_are_the_operators(partition: Partition) -> None:
    """Nothing comes back into a home that is there."""
    partition.boot()
    for home in ("home", "roothome"):
        (partition.factory / home / ".profile").write_text("new")
    partition.boot("2")
    assert list((partition.var / "home").iterdir()) == []
    assert list((partition.var / "roothome").iterdir()) == []


@pytest.mark.parametrize("version", ["1", "2"])
def test_interrupted_start_is_finished_by_the_next(partition: Partition, version: str) -> None:
    """A half-made copy under its temporary name is thrown away, at a first start and later."""
    if version == "2":
        partition.boot()
    (partition.state / "new/half").mkdir(parents=True)
    (partition.state / "version.new").write_text("h")
    (partition.factory / "lib/new").mkdir()
    partition.boot(version)
    assert (partition.var / "lib/new").is_dir()
    assert not (partition.var / "half").exists()
    assert not (partition.var / "lib/new/half").exists()
    assert (partition.state / "version").read_text() == f"{version}\n"
