"""Whether there may be something to order, which is asked every five minutes: a script alone."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from postolka.home import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path

_SCRIPT = CHECKOUT / "pyinfra_deploys/acme/rootfs/usr/libexec/postolka/acme-due"
_PLACES = ("/var/lib/postolka-acme", "/var/lib/postolka/", "/run/postolka/")
_HOUR = 3600


def _is_due(root: Path) -> bool:
    text = _SCRIPT.read_text(encoding="ascii")
    for place in _PLACES:
        assert place in text
        text = text.replace(place, f"{root}{place}")
    done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode in (0, 1)
    return done.returncode == 0


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a machine that has its data, looked an hour ago, and is to look in an hour."""
    for place in _PLACES:
        (tmp_path / place[1:]).mkdir(parents=True)
    now = time.time()
    data = tmp_path / "var/lib/postolka/instance.yaml"
    looked = tmp_path / "var/lib/postolka-acme/looked"
    for path, age in ((data, 2 * _HOUR), (looked, _HOUR)):
        path.touch()
        os.utime(path, (now - age,) * 2)
    (tmp_path / "run/postolka/configured").touch()
    _set_next(tmp_path, _HOUR)
    return tmp_path


def _set_next(root: Path, seconds: int) -> None:
    text = f"{int(time.time()) + seconds}\n"
    (root / "var/lib/postolka-acme/next").write_text(text, encoding="ascii")


@pytest.mark.parametrize(
    ("seconds", "is_due"), [(_HOUR, False), (-1, True), (23 * _HOUR, False), (48 * _HOUR, True)]
)
def test_time_that_was_noted_counts(root: Path, *, seconds: int, is_due: bool) -> None:
    """But for one that no look would have noted: the clock was wrong."""
    _set_next(root, seconds)
    assert _is_due(root) is is_due


def test_new_data_and_a_new_machine_are_looked_at(root: Path) -> None:
    """At once; a machine that isn't configured waits."""
    (root / "var/lib/postolka/instance.yaml").touch()
    assert _is_due(root)
    (root / "var/lib/postolka-acme/next").unlink()
    assert _is_due(root)
    (root / "run/postolka/configured").unlink()
    assert not _is_due(root)
