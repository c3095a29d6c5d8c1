"""A disk that fills up in the middle of a build is told in words, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests import checkouts
from tests.image import homes
from tests.image.processes import running_with

if TYPE_CHECKING:
    from pathlib import Path

    from postolka.build import Built
    from postolka.debs import Debs
    from postolka.lock import Lock

# In mounts of its own: a small disk, a build on it, and what that leaves there.
_BUILD = """
mount -t tmpfs -o "size=$1m" postolka "$POSTOLKA_HOME"
cp -a "$2/." "$POSTOLKA_HOME"
status=0
"$3" -P -m postolka build || status=$?
echo "exit $status"
cd "$POSTOLKA_HOME"
find . -mindepth 1 -maxdepth 1 -name 'build-*'
find store store/.making -mindepth 1 -maxdepth 1 ! -name '.*' ! -type l
echo "mounts $(grep -c "$POSTOLKA_HOME" /proc/self/mountinfo)"
"""

#: What a build makes before, or beside, its image.
_WHOLE = re.compile(r"-(configured|check-\w+)$")


@pytest.mark.parametrize(
    ("layers", "size_mib"),
    [
        pytest.param((), 40, id="tools root"),
        pytest.param(homes.COSTLY, 150, id="image", marks=pytest.mark.soak),
        pytest.param((*homes.COSTLY, "configured", "image"), 150, id="disk"),
    ],
)
def test_a_full_disk_leaves_an_intact_store(  # noqa: PLR0913, PLR0917
    layers: tuple[str, ...], size_mib: int, disk: Built, locked: Lock, debs: Debs, tmp_path: Path
) -> None:
    """The layer doesn't fit: one clear error, exit code 1, no half path, nothing mounted."""
    assert disk.disk
    where = tmp_path / "home"
    where.mkdir()
    homes.fill(tmp_path / "filled", debs, layers)
    checkout = checkouts.copy(tmp_path / "checkout", locked)
    argv = ["unshare", "--mount", "sh", "-euc", _BUILD, "sh"]
    done = subprocess.run(
        [*argv, str(size_mib), str(tmp_path / "filled"), sys.executable],
        env={**os.environ, "PYTHONPATH": str(checkout), "POSTOLKA_HOME": str(where)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"{where}/store: no space left on the disk (" in done.stderr
    hint = "hint: free some space, or set POSTOLKA_HOME to a directory on a larger disk\n"
    assert done.stderr.endswith(hint)
    # Whole ones that were made before the one that failed, or beside it, may be there.
    said = done.stdout.splitlines()
    assert said[0] == "exit 1"
    assert said[-1] == "mounts 1"
    assert [line for line in said[1:-1] if not _WHOLE.search(line)] == []
    assert running_with(str(where)) == []
