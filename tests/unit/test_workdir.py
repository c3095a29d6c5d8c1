"""A directory for some work goes with it, however it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from postolka import workdir

_CHECKOUT = Path(__file__).resolve().parents[2]
_PROGRAM = """
import sys, time
from pathlib import Path
from postolka import workdir
with workdir.new("work-", Path(sys.argv[1])) as work:
    (work.path / "half").touch()
    print(work.path, flush=True)
    time.sleep(60)
"""


def test_it_goes_at_the_end(tmp_path: Path) -> None:
    """Also where the work fails, unless it is to stay."""
    with pytest.raises(NotADirectoryError), workdir.new("work-", tmp_path) as work:
        (work.path / "file").write_bytes(Path("/dev/null/none").read_bytes())
    assert list(tmp_path.iterdir()) == []
    with workdir.new("work-", tmp_path) as work:
        work.is_kept = True
    assert list(tmp_path.iterdir()) == [work.path]


def test_only_a_dead_ones_goes_with_the_next(tmp_path: Path) -> None:
    """One that somebody works in stays, and so does what has another name."""
    other = tmp_path / "other"
    other.mkdir()
    words = [sys.executable, "-c", _PROGRAM, str(tmp_path)]
    with subprocess.Popen(words, cwd=_CHECKOUT, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout
        path = Path(program.stdout.readline().strip())
        with workdir.new("work-", tmp_path) as work:
            assert set(tmp_path.iterdir()) == {other, path, work.path}
        program.send_signal(signal.SIGKILL)
    assert (path / "half").exists()
    with workdir.new("work-", tmp_path) as work:
        assert set(tmp_path.iterdir()) == {other, work.path}
