"""SIGKILL at any moment of a build: nothing of it lives on, and the next has the right bytes."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from postolka import twins
from postolka.processes import Process
from tests import checkouts
from tests.image import homes
from tests.image.conftest import say
from tests.image.processes import mounts_below, running_with, wait_until

if TYPE_CHECKING:
    from postolka.build import Built
    from postolka.debs import Debs
    from postolka.lock import Lock

_CHOICE = random.SystemRandom()


def _build(checkout: Path, where: Path, seconds: float | None = None) -> tuple[int | None, str]:
    """Build, and kill the command or one of its processes after `seconds`.

    Return its exit status, None where it was killed, and what it printed.
    """
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "postolka", "build"],
        env={**os.environ, "PYTHONPATH": str(checkout), "POSTOLKA_HOME": str(where)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        try:
            said, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            of_it = [child.pid for child in Process.of(process.pid).descendants()]
            # Itself, what its namespaces are of, the builder in them; not the builder's tools.
            with contextlib.suppress(ProcessLookupError):
                os.kill(_CHOICE.choice([process.pid, *of_it[:2]]), signal.SIGKILL)
            return None, ""
        except BaseException:
            process.kill()
            raise
        return process.returncode, said.strip()


def _loops_of(where: Path) -> list[str]:
    """Return the files below a directory that a loop device stands for."""
    files = (path.read_text() for path in Path("/sys/block").glob("loop*/loop/backing_file"))
    return [file for file in files if str(where) in file]


@pytest.mark.soak
@pytest.mark.parametrize(
    ("layers", "kills", "seconds"),
    [
        pytest.param((), 10, 60, id="from nothing"),
        pytest.param(homes.COSTLY[:2], 20, 25, id="with packages"),
    ],
)
def test_thirty_killed_builds_do_no_harm(  # noqa: PLR0913, PLR0917
    layers: tuple[str, ...],
    kills: int,
    seconds: float,
    disk: Built,
    locked: Lock,
    debs: Debs,
    tmp_path: Path,
) -> None:
    """No process, mount or loop device is left; the build after them is what it always is."""
    checkout = checkouts.copy(tmp_path / "checkout", locked)
    where = tmp_path / "home"
    homes.fill(where, debs, layers)
    moments: list[float] = []
    while len(moments) < kills:
        moment = _CHOICE.uniform(0, seconds)
        status, _ = _build(checkout, where, moment)
        assert status in {0, None}, moments
        if status == 0:
            # It was faster, and there is nothing more to be made: begin again.
            shutil.rmtree(where)
            homes.fill(where, debs, layers)
            continue
        moments.append(round(moment, 1))
        assert wait_until(lambda: running_with(str(where)) == [], 60), moments
        assert mounts_below(where) == [], moments
        assert _loops_of(where) == [], moments
    begin = time.monotonic()
    status, made = _build(checkout, where)
    say(f"killed after {moments} s; the build after them took {time.monotonic() - begin:.0f} s")
    assert status == 0, moments
    compared = twins.layers(disk.path, Path(made), say)
    assert [problem for layer in compared for problem in layer.problems] == [], moments
    assert list((where / "store/.making").iterdir()) == []
    assert list(where.glob("build-*")) == []
