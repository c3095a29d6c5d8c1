"""Builds at the same time share what is the same, and don't disturb each other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import checkouts
from tests.image import homes

if TYPE_CHECKING:
    from postolka.build import Built
    from postolka.debs import Debs
    from postolka.lock import Lock

_TEMPLATE = "pyinfra_deploys/postfix/rootfs/etc/postfix/master.cf.j2"


@pytest.fixture(name="own_home")
def _own_home(tmp_path: Path, debs: Debs, built: Built) -> Path:
    """Return a home with the machine's packages and costly layers, and no root of an image."""
    assert built.path.exists()
    directory = tmp_path / "home"
    homes.fill(directory, debs, homes.COSTLY)
    return directory


def _start(checkout: Path, own_home: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "postolka", "build", "--root"],
        env={**os.environ, "PYTHONPATH": str(checkout), "POSTOLKA_HOME": str(own_home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.soak
def test_builds_at_once_share_what_is_the_same(
    own_home: Path, locked: Lock, tmp_path: Path
) -> None:
    """Two builds of one checkout and one of another all succeed, and make two roots."""
    same = checkouts.copy(tmp_path / "same", locked)
    other = checkouts.copy(tmp_path / "other", locked)
    with (other / _TEMPLATE).open("a") as template:
        template.write("# Changed.\n")
    builds = [_start(checkout, own_home) for checkout in (same, same, other)]
    answers = [build.communicate(timeout=300) for build in builds]
    assert [build.returncode for build in builds] == [0, 0, 0], answers
    first, second, third = (Path(said.strip()) for said, _ in answers)
    assert first == second != third
    assert first.is_dir()
    assert third.is_dir()
    assert len(list((own_home / "store").glob("*-configured"))) == 2
    # Neither half results, nor logs of what went well, nor working directories.
    assert list((own_home / "store/.making").iterdir()) == []
    assert list((own_home / "logs").iterdir()) == []
    assert list(own_home.glob("build-*")) == []
