"""An image is the same bytes wherever it is made, and what differs is found and named."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from postolka import build, cli, clock, formats, home, rebuild, twins
from postolka.errors import PostolkaError
from postolka.rebuild import Second
from postolka.run import run
from postolka.store import Store
from postolka.workdir import Workdir
from tests.image import homes
from tests.image.conftest import say

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from postolka.build import Built
    from postolka.debs import Debs
    from postolka.tools import Tools

_CHANGED = "upper/etc/postfix/master.cf"


def test_the_image_is_the_same_elsewhere(disk: Built, tmp_path: Path) -> None:
    """From nothing, as if on another machine: every layer, the disk, and its qcow2."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "postolka", "build", "--check", "--json", "--temporary-lock"],
        env={**os.environ, "PYTHONPATH": str(home.CHECKOUT), "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    said: dict[str, Any] = json.loads(done.stdout)
    assert [layer for layer in said["layers"] if not layer["is_equal"]] == []
    assert [layer["layer"] for layer in said["layers"]] == [*twins.LAYERS, "qcow2"]
    assert (done.returncode, said["is_equal"], said["id"]) == (0, True, disk.id)
    assert all(layer["first"] != layer["second"] for layer in said["layers"])
    assert list(tmp_path.iterdir()) == []


def test_tools_have_another_clock(toolbox: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    """By more than a year; Python, which waits by a monotonic one, waits all the same."""
    script = "import threading, time; threading.Event().wait(0.1); print(time.time())"
    argv = ["python3", "-c", script]
    before = float(toolbox.run(argv))
    monkeypatch.setenv(clock.VARIABLE, str(clock.LIBRARY))
    after = float(toolbox.run(argv))
    assert 366 * 86400 < after - before < 500 * 86400


@pytest.fixture(name="altered")
def _altered(disk: Built, debs: Debs, tmp_path: Path) -> Built:
    """Return the machine's image in a store that has one file of it with another content."""
    homes.fill(tmp_path / "home", debs, (*twins.LAYERS, "check-*", "golden"))
    layer = tmp_path / "home/store" / disk.root_layers[0].parent.name
    original = layer.resolve()
    layer.unlink()
    run(["cp", "--archive", str(original), str(layer)])
    with (layer / _CHANGED).open("a") as file:
        file.write("# Changed.\n")
    return build.load(tmp_path / "home/store" / disk.path.name)


def test_a_difference_is_found_and_shown(
    altered: Built,
    disk: Built,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 3, layer and file by name, how they differ, and where the second build is."""
    monkeypatch.setattr(build, "realise", lambda **_: altered)
    converted = formats.realise(Store(home.store()), disk, "qcow2", say)
    kept = []

    @contextlib.contextmanager
    def second(*_: object) -> Iterator[Second]:
        work = Workdir(tmp_path / "second")
        yield Second(work=work, built=disk, disk=converted)
        kept.append(work.is_kept)

    monkeypatch.setattr(rebuild, "second", second)
    assert cli.main(["build", "--check"]) == 3
    said = capsys.readouterr().out
    assert [line for line in said.splitlines() if line.startswith("DIFFERS")] == [
        "DIFFERS configured"
    ]
    assert f"  {_CHANGED}: size is " in said
    assert "    | -# Changed.\n" in said
    assert said.endswith(f"the second build stays in {tmp_path}/second\n")
    assert kept == [True]
    assert cli.main(["build", "--check", "--json"]) == 3
    told = json.loads(capsys.readouterr().out)
    (differing,) = [layer for layer in told["layers"] if not layer["is_equal"]]
    assert [file["path"] for file in differing["files"]] == [_CHANGED]


def test_a_second_build_that_fails_leaves_nothing(
    disk: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its error is the error, and its directory goes."""
    copy = rebuild.copy

    def spoilt(checkout: Path, directory: Path) -> None:
        copy(checkout, directory)
        (directory / "group_data/all.py").write_text("no_such_setting = 1\n")

    monkeypatch.setattr(rebuild, "copy", spoilt)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with (
        pytest.raises(PostolkaError, match="the second build: failed: group_data"),
        rebuild.second(home.CHECKOUT, disk, "qcow2", say),
    ):
        pass
    assert list(tmp_path.iterdir()) == []
