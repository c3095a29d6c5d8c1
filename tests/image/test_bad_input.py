"""`postolka build` with bad input, as its user sees it: one error, exit code 1, nothing left."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from postolka import derivation
from tests import checkouts
from tests.image.processes import mounts_below, running_with, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from postolka.debs import Debs
    from postolka.lock import Lock, Package

_REFRESH = "hint: postolka lock --update"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A checkout to break, with a home and a mirror of its own."""

    checkout: Path
    home: Path
    mirror: Path
    package: Package
    """One of the tools' packages: a build needs them first of all."""

    @property
    def cached(self) -> Path:
        """The package's file in the home."""
        return self.home / "debs" / f"{self.package.sha256}.deb"

    def refused(self) -> str:
        """Build, which fails and leaves nothing; return the error."""
        done = subprocess.run(
            [sys.executable, "-m", "postolka", "build", "--root", "--json"],
            cwd=self.checkout,
            env={
                **os.environ,
                "PYTHONPATH": str(self.checkout),
                "POSTOLKA_HOME": str(self.home),
                "POSTOLKA_MIRROR": f"copy:{self.mirror}",
                "POSTOLKA_SECURITY_MIRROR": f"copy:{self.mirror}",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout) == (1, ""), done.stderr
        assert "Traceback" not in done.stderr
        assert wait_until(lambda: not running_with(str(self.home)))
        assert mounts_below(self.home) == []
        assert list(self.home.glob("store/[!.]*")) == []
        assert list(self.home.glob("store/.making/*")) == []
        assert list(self.home.glob("build-*")) == []
        assert list(self.home.glob("debs/.fetching-*")) == []
        return done.stderr[done.stderr.index("postolka: ") :]


@pytest.fixture(name="place")
def _place(tmp_path: Path, locked: Lock, debs: Debs) -> Place:
    """Return a checkout as it is here; its cache has every package."""
    for name in ("home/debs", "mirror"):
        (tmp_path / name).mkdir(parents=True)
    for package in locked.packages:
        if debs.path(package).exists():
            (tmp_path / "home/debs" / debs.path(package).name).symlink_to(debs.path(package))
    return Place(
        checkout=checkouts.copy(tmp_path / "checkout", locked),
        home=tmp_path / "home",
        mirror=tmp_path / "mirror",
        package=next(package for package in locked.of("tools") if package.name == "mmdebstrap"),
    )


def test_settings_out_of_range(place: Place) -> None:
    """Each is named by its key, with what it may be."""
    (place.checkout / derivation.GROUP_DATA / "all.py").write_text(
        "postfix_message_size_limit_mib = 0\nbase_journal_max_mib = '1'\nno_such = 1\n"
    )
    assert place.refused().splitlines() == [
        "postolka: group_data/all.py: 3 problems",
        "  base_journal_max_mib: must be int, not str",
        "  no_such: no such setting",
        "  postfix_message_size_limit_mib: must be 1 to 1024, not 0",
        "hint: pyinfra_deploys/sections.py lists every setting",
    ]


def test_a_lock_that_git_left_conflicts_in(place: Place) -> None:
    """No package is taken on a guess."""
    (place.checkout / derivation.LOCK).write_text("<<<<<<< HEAD\n")
    said = place.refused()
    assert said.startswith("postolka: postolka.lock: not JSON")
    assert _REFRESH in said


def test_a_lock_with_a_hash_that_is_none(place: Place) -> None:
    """A field out of its form is named by its path."""
    path = place.checkout / derivation.LOCK
    path.write_text(path.read_text().replace(place.package.sha256, "0" * 63))
    said = place.refused()
    assert "].sha256: must be " in said
    assert _REFRESH in said


def test_no_lock_at_all(place: Place) -> None:
    """Nothing newer is resolved by itself."""
    (place.checkout / derivation.LOCK).unlink()
    said = place.refused()
    assert "there is no lock" in said
    assert _REFRESH in said


def test_a_package_that_has_left_the_mirror(place: Place) -> None:
    """It is named, with the next source, and the command that refreshes the lock."""
    place.cached.unlink()
    package = place.package
    *said, hint = place.refused().splitlines()
    assert said == [
        "postolka: the mirror: 1 problem",
        f"  {package.name}: {package.version}: is no longer there",
    ]
    assert hint.startswith("hint: Debian's snapshot service may still have them")
    assert "POSTOLKA_SNAPSHOT" in hint
    assert hint.endswith(_REFRESH.removeprefix("hint: "))


def test_a_package_with_another_hash(place: Place) -> None:
    """What the mirror serves under the locked name is never unpacked, nor kept."""
    place.cached.unlink()
    served = place.mirror / place.package.path
    served.parent.mkdir(parents=True)
    served.write_bytes(b"x" * place.package.size)
    assert "arrived with another content than the locked one" in place.refused()
    assert not place.cached.exists()


def test_a_spoilt_cache_without_a_mirror(place: Place) -> None:
    """A cached file is hashed again before it is used."""
    place.cached.unlink()
    place.cached.write_bytes(b"spoilt")
    assert f"{place.package.name}: {place.package.version}: is no longer there" in place.refused()
    assert not place.cached.exists()
