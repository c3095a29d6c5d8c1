"""An exported lock builds where there is no network at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests import checkouts
from tests.image import homes

if TYPE_CHECKING:
    from pathlib import Path

    from postolka.build import Built
    from postolka.debs import Debs
    from postolka.lock import Lock

#: Other layers are taken from the machine; these take packages from the mirror.
_MADE = ("tools", "packages")


@pytest.fixture(name="checkout")
def _checkout(tmp_path: Path, locked: Lock) -> Path:
    return checkouts.copy(tmp_path / "checkout", locked)


def _postolka(checkout: Path, *words: str, alone: bool = False, **variables: str) -> str:
    """Run a command of that checkout, `alone`: where the loopback, down, is all of the network."""
    command = [sys.executable, "-P", "-m", "postolka", *words]
    variables = {"PYTHONPATH": str(checkout), **variables}
    script = 'test "$(ls /sys/class/net)" = lo || exit 77; exec "$@"'
    apart = ["unshare", "--net", "--mount", "sh", "-euc", f"mount -t sysfs sysfs /sys; {script}"]
    done = subprocess.run(
        [*apart, "sh", *command] if alone else command,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.soak
def test_an_exported_lock_builds_without_a_network(
    built: Built, checkout: Path, tmp_path: Path, debs: Debs
) -> None:
    """With an empty cache and without an interface the image comes to be, the same one."""
    mirror, filled, empty = (tmp_path / name for name in ("mirror", "filled", "empty"))
    homes.fill(filled, debs)
    said = _postolka(checkout, "lock", "--export", str(mirror), POSTOLKA_HOME=str(filled))
    assert said.startswith(f"{mirror}: ")
    homes.fill(empty, debs, [name for name in homes.COSTLY if name not in _MADE])
    (empty / "debs").unlink()
    said = _postolka(
        checkout,
        "build",
        "--root",
        "--json",
        alone=True,
        POSTOLKA_HOME=str(empty),
        POSTOLKA_MIRROR=f"file:{mirror}/debian",
    )
    assert json.loads(said)["id"] == built.id
    assert any((empty / "store").glob("*-packages/*"))
    assert any((empty / "debs").glob("*.deb"))
