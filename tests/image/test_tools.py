"""The tools root is the same everywhere, and what runs in it is shut off from the host."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from postolka import home
from postolka.run import CommandError
from tests.image.processes import mounts_below, running_with, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from postolka.tools import Tools


def _sh(toolbox: Tools, script: str) -> str:
    return toolbox.run(["sh", "-c", script]).decode()


def test_name_and_surroundings_are_fixed(toolbox: Tools) -> None:
    """Host name, user, umask and working directory don't come from the host."""
    assert _sh(toolbox, "hostname; id -u; umask; pwd").split() == ["postolka", "0", "0022", "/"]


def test_environment_is_made_from_nothing(toolbox: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the caller's gets in."""
    monkeypatch.setenv("LANG", "cs_CZ.UTF-8")
    monkeypatch.setenv("SECRET", "of the caller")
    names = {line.partition("=")[0] for line in _sh(toolbox, "env").splitlines()}
    assert names == {"HOME", "LC_ALL", "LIBMOUNT_FORCE_MOUNT2", "PATH", "PWD", "TZ"}


def test_layers_of_long_paths_can_be_mounted(toolbox: Tools) -> None:
    """Also by trixie's mount(8), which a build host of Debian 13 has: store paths are long."""
    layers = [f"/tmp/{number}{'x' * 80}" for number in range(4)]  # noqa: S108 - in the tools root
    script = f"mount -t tmpfs x /tmp; cd /tmp; mkdir {' '.join(layers)} upper work merged; "
    script += f"touch {layers[-1]}/seen; mount -t overlay -o "
    script += f"lowerdir={':'.join(layers)},upperdir=upper,workdir=work x merged"
    assert _sh(toolbox, f"{script} && ls merged") == "seen\n"


def test_there_is_no_network(toolbox: Tools) -> None:
    """A tool has a loopback of its own, down, and no other interface."""
    assert len(_sh(toolbox, "ip -oneline link").splitlines()) == 1


def test_writes_stay_in_memory(toolbox: Tools) -> None:
    """What a tool writes into the root is gone with it; the store path is untouched."""
    _sh(toolbox, "echo changed >/usr/bin/awk; echo new >/etc/new; cat /etc/new")
    assert not (toolbox.root / "etc/new").exists()
    assert "1" in _sh(toolbox, "awk 'BEGIN { print 1 }'")


def test_binds_are_read_only_and_writes_are_not(toolbox: Tools, tmp_path: Path) -> None:
    """An input can't be changed; an output arrives on the host."""
    (tmp_path / "in").write_text("input")
    (tmp_path / "out").mkdir()
    argv = ["sh", "-c", "cat /in >/out/copy; echo changed >/in"]
    with pytest.raises(CommandError, match="Read-only file system"):
        toolbox.run(argv, binds={"/in": tmp_path / "in"}, writes={"/out": tmp_path / "out"})
    assert (tmp_path / "in").read_text() == "input"
    assert (tmp_path / "out/copy").read_text() == "input"


def test_failure_names_the_tools_own_command(toolbox: Tools) -> None:
    """The error shows what failed in the root, not how the root was entered."""
    with pytest.raises(CommandError, match="exit status 3: sh -c 'echo why >&2; exit 3'") as caught:
        toolbox.run(["sh", "-c", "echo why >&2; exit 3"])
    assert "| why" in str(caught.value)
    assert "unshare" not in str(caught.value)


_PROGRAM = """
import sys
from pathlib import Path
from postolka.tools import Tools
Tools(Path(sys.argv[1]), "").run(["sh", "-c", "sleep 54321 & sleep 54321"])
"""


def test_a_tool_dies_with_its_parent(toolbox: Tools) -> None:
    """After SIGKILL of the generator no tool runs on, and nothing is mounted."""
    words = [sys.executable, "-c", _PROGRAM, str(toolbox.root)]
    with subprocess.Popen(words, cwd=home.CHECKOUT) as program:
        assert wait_until(lambda: len(running_with("sleep 54321")) >= 3)
        program.kill()
    assert wait_until(lambda: not running_with("sleep 54321"))
    assert mounts_below(toolbox.root) == []
