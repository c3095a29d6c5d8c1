"""The cache of packages: what is in it has the locked bytes, and what isn't is told by name."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from postolka import mirrors
from postolka.debs import Debs, UnavailableError
from postolka.errors import PostolkaError
from tests.unit.test_lock import SUITES, a_package

if TYPE_CHECKING:
    from postolka.lock import Package

pytestmark = pytest.mark.skipif(
    not Path("/usr/lib/apt/apt-helper").exists(), reason="needs Debian's apt: run on Debian"
)


@pytest.fixture(name="mirror")
def _mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a mirror in a directory, which apt reads by its method copy."""
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    for variable in mirrors.VARIABLES.values():
        monkeypatch.setenv(variable, f"copy:{mirror}")
    return mirror


@pytest.fixture(name="debs")
def _debs(tmp_path: Path) -> Debs:
    return Debs(tmp_path / "debs")


def _publish(mirror: Path, name: str, content: bytes = b"deb") -> Package:
    path = mirror / f"pool/{name}_1+b1.deb"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return a_package(
        name=name,
        path=str(path.relative_to(mirror)),
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _quiet(_: str) -> None:
    pass


def test_what_is_fetched_is_cached(mirror: Path, debs: Debs) -> None:
    """A package comes from the mirror once; then the mirror may vanish."""
    packages = [_publish(mirror, f"package-{n}", b"content %d" % n) for n in range(20)]
    said: list[str] = []
    debs.fetch(packages, said.append)
    assert said[-1] == "fetching packages: 0 of 0 MiB"
    for path in mirror.rglob("*.deb"):
        path.unlink()
    debs.fetch(packages, pytest.fail)
    assert {debs.path(package).name for package in packages} == {
        path.name for path in debs.directory.glob("[!.]*")
    }
    assert debs.path(packages[3]).read_bytes() == b"content 3"


def test_a_package_that_left_the_mirror_is_named(mirror: Path, debs: Debs) -> None:
    """All that are missing are named at once, with the command that helps; the others are kept."""
    there, *gone = (_publish(mirror, name, name.encode()) for name in ("zstd", "bind9", "postfix"))
    for package in gone:
        (mirror / package.path).unlink()
    with pytest.raises(UnavailableError) as caught:
        debs.fetch([there, *gone], _quiet)
    assert [problem.path for problem in caught.value.problems] == ["bind9", "postfix"]
    assert "3.10.5-1: is no longer there" in str(caught.value)
    hint = str(caught.value.hint)
    assert hint.startswith("Debian's snapshot service may still have them")
    assert "POSTOLKA_SNAPSHOT" in hint
    assert hint.endswith("postolka lock --update")
    assert debs.path(there).exists()


def test_the_snapshot_service_is_asked_next(
    mirror: Path, debs: Debs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the mirror has lost comes from the service's state a day after the lock's suites."""
    service = tmp_path / "service"
    monkeypatch.setenv(mirrors.SNAPSHOT, f"file:{service}")
    # SUITES' date of the archive debian is 2026-01-10T09:00:00Z.
    state = service / "debian/20260111T090000Z"
    state.mkdir(parents=True)
    gone, spoilt, lost = (_publish(mirror, name, name.encode()) for name in ("zstd", "dash", "sed"))
    for package in (gone, spoilt):
        kept = state / package.path
        kept.parent.mkdir(exist_ok=True)
        kept.write_bytes((mirror / package.path).read_bytes())
    (mirror / gone.path).unlink()
    (mirror / spoilt.path).write_bytes(b"bad")
    dated = Debs(debs.directory, mirrors.snapshots(SUITES))
    said: list[str] = []
    dated.fetch([gone, spoilt], said.append)
    assert "asking the snapshot service for 2 packages" in said
    assert dated.path(spoilt).read_bytes() == b"dash"
    (mirror / lost.path).unlink()
    with pytest.raises(UnavailableError, match="the mirror and the snapshot service") as caught:
        dated.fetch([gone, spoilt, lost], _quiet)
    assert [problem.path for problem in caught.value.problems] == ["sed"]
    assert caught.value.hint == "postolka lock --update"


def test_a_directory_serves_as_mirror(
    mirror: Path, debs: Debs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the addresses that people write for one; the packages are copied."""
    for number, form in enumerate(("file:{}", "file://{}/")):
        package = _publish(mirror, f"package-{number}", form.encode())
        for variable in mirrors.VARIABLES.values():
            monkeypatch.setenv(variable, form.format(mirror))
        debs.fetch([package], _quiet)
        (mirror / package.path).unlink()
        assert debs.path(package).read_bytes() == form.encode()


def test_other_bytes_are_never_kept(mirror: Path, debs: Debs) -> None:
    """A file with another hash than the locked one is refused on arrival."""
    package = _publish(mirror, "postfix")
    (mirror / package.path).write_bytes(b"bad")
    with pytest.raises(UnavailableError, match="another content than the locked one"):
        debs.fetch([package], _quiet)
    assert not debs.path(package).exists()


def test_a_spoilt_cache_is_repaired(mirror: Path, debs: Debs) -> None:
    """A cached file is hashed again before use, and fetched anew if it changed."""
    package = _publish(mirror, "postfix")
    debs.fetch([package], _quiet)
    debs.path(package).write_bytes(b"bad")
    debs.fetch([package], _quiet)
    assert debs.path(package).read_bytes() == b"deb"


def test_no_network_is_not_a_stale_lock(
    mirror: Path, debs: Debs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing answers, the error is about the network and advises no new lock."""
    package = _publish(mirror, "postfix")
    for variable in mirrors.VARIABLES.values():
        monkeypatch.setenv(variable, "http://127.0.0.1:1/")
    with pytest.raises(PostolkaError, match="1 of 1 packages didn't arrive") as caught:
        debs.fetch([package], _quiet)
    assert not isinstance(caught.value, UnavailableError)


def test_too_small_a_disk_is_told_before_fetching(mirror: Path, debs: Debs) -> None:
    """Packages larger than the disk's free space aren't begun."""
    package = _publish(mirror, "postfix")
    large = a_package(size=1 << 60, path=package.path)
    with pytest.raises(PostolkaError, match="MiB are free"):
        debs.fetch([large], _quiet)


def test_eviction_spares_what_is_used(mirror: Path, debs: Debs) -> None:
    """Above the limit the longest unused files go, those of the present lock never."""
    packages = [_publish(mirror, f"package-{n}", bytes([n]) * 100) for n in range(4)]
    debs.fetch(packages, _quiet)
    for age, package in enumerate(packages):
        os.utime(debs.path(package), (1000 + age, 1000 + age))
    debs.evict([packages[0]], limit_bytes=200)
    assert [debs.path(package).exists() for package in packages] == [True, False, False, True]
