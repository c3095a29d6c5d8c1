"""The connector: commands and files inside a root, and nothing of the build host with them."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from postolka.errors import PostolkaError
from pyinfra_deploys.connectors.rootfs import Root, RootfsConnector
from tests.image.overlay import mounted
from tests.image.processes import mounts_below, running_with, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(name="path")
def _path(root: Path, tmp_path: Path) -> Iterator[Path]:
    with mounted([root], tmp_path) as path:
        yield path


@pytest.fixture(name="connector")
def _connector(path: Path) -> RootfsConnector:
    """Return a connected connector."""
    from pyinfra.api.config import Config  # noqa: PLC0415
    from pyinfra.api.connect import connect_all  # noqa: PLC0415
    from pyinfra.api.inventory import Inventory  # noqa: PLC0415
    from pyinfra.api.state import State  # noqa: PLC0415

    inventory = Inventory(([f"@rootfs{path}"], {}))  # type: ignore[no-untyped-call]
    state = State(inventory, Config(FAIL_PERCENT=0))  # type: ignore[no-untyped-call]
    connect_all(state)
    connector = next(iter(inventory)).connector
    assert isinstance(connector, RootfsConnector)
    return connector


def _output(path: Path, *argv: str) -> str:
    done = Root(path).run(argv)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def test_nothing_of_the_callers_environment_gets_in(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret in the builder's environment can't end up in an image."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted")
    assert "planted" not in _output(path, "env")
    assert _output(path, "sh", "-c", "umask") == "0022\n"


def test_a_command_sees_a_whole_system(path: Path) -> None:
    """Processes, devices and the kernel's files are there, as package scripts expect them."""
    script = "test -r /proc/self/status && test -d /sys/kernel && echo x >/dev/null && "
    script += "head -c 4 /dev/urandom | wc -c"
    assert _output(path, "sh", "-c", script) == "4\n"


def test_a_command_sees_nothing_of_the_host(path: Path) -> None:
    """Neither its processes nor its network nor its name."""
    # The shell, ls and wc, as far as they have started, and what started them.
    assert int(_output(path, "sh", "-c", "ls -d /proc/[0-9]* | wc -l")) <= 4
    assert _output(path, "sh", "-c", "ls /sys/class/net") == "lo\n"
    assert _output(path, "uname", "-n") == "localhost\n"


def test_what_a_command_leaves_running_is_killed(path: Path) -> None:
    """No daemon outlives the command that started it, and nothing stays mounted."""
    word = f"4{os.getpid()}"
    _output(path, "sh", "-c", f"sleep {word} >/dev/null 2>&1 & exit 0")
    assert wait_until(lambda: not running_with(f"sleep {word}"))
    assert len(mounts_below(path)) == 1
    assert list((path / "dev").iterdir()) == list((path / "run").iterdir()) == []


def test_a_file_never_lands_outside_the_root(connector: RootfsConnector, tmp_path: Path) -> None:
    """An absolute link in the root leads to the root's own file, as it does on the machine."""
    outside = tmp_path / "outside"
    outside.write_text("untouched")
    root = connector.root.path
    (root / "opt/link").symlink_to(outside)
    (root / "opt/up").symlink_to("../../../../../../../../../../etc")
    with pytest.raises(OSError, match="link"):
        connector.put_file(BytesIO(b"x"), "/opt/link")
    connector.put_file(BytesIO(b"x"), "/opt/up/planted")
    assert outside.read_text() == "untouched"
    assert not Path("/etc/planted").exists()
    assert (root / "etc/planted").read_bytes() == b"x"


def test_files_go_in_and_out_unchanged(connector: RootfsConnector) -> None:
    """Any bytes, and a mode that others may read."""
    content = bytes(range(256)) * 1000
    connector.put_file(BytesIO(content), "/opt/a")
    assert (connector.root.path / "opt/a").stat().st_mode & 0o777 == 0o644
    back = BytesIO()
    connector.get_file("/opt/a", back)
    assert back.getvalue() == content


def test_uploads_leave_no_open_files(connector: RootfsConnector) -> None:
    """A thousand files don't run into the limit of open ones."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(10):
        connector.put_file(BytesIO(b"x"), "/opt/a")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_directory_that_is_no_root_is_refused(tmp_path: Path) -> None:
    """A link in the place of a mount point would lead a mount astray."""
    for name in ("dev", "run", "sys"):
        (tmp_path / name).mkdir()
    (tmp_path / "proc").symlink_to("/")
    with pytest.raises(PostolkaError, match="proc is not a directory"):
        Root(tmp_path).check()
    (tmp_path / "proc").unlink()
    (tmp_path / "proc").mkdir()
    with pytest.raises(PostolkaError, match="can't be entered"):
        Root(tmp_path).check()
