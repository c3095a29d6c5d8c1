"""A disk that fills up in the middle of a step is told in words, and leaves nothing behind."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from postolka import home, lock

if TYPE_CHECKING:
    from pathlib import Path

    from postolka.debs import Debs
    from postolka.lock import Lock

_PROGRAM = """
import sys
from pathlib import Path
from postolka import debs, lock, store, tools
from postolka.errors import PostolkaError
where, cache, text = map(Path, sys.argv[1:])
locked = lock.parse(text.read_text())
try:
    tools.realise(locked, "tools", store.Store(where / "store"), debs.Debs(cache), lambda _: None)
except PostolkaError as error:
    print(error)
print(sorted(path.name for path in (where / "store").rglob("*") if path.is_dir()))
"""


def test_a_full_disk_leaves_an_intact_store(locked: Lock, debs: Debs, tmp_path: Path) -> None:
    """The tools root doesn't fit on a disk of 40 MiB: one clear error, no half path."""
    (tmp_path / "lock").write_text(lock.serialise(locked))
    debs.fetch(locked.of("tools"), lambda _: None)
    (tmp_path / "disk").mkdir()
    script = 'mount -t tmpfs -o size=40m postolka "$1" && shift && exec "$@"'
    program = [sys.executable, "-c", _PROGRAM, tmp_path / "disk", debs.directory, tmp_path / "lock"]
    argv = ["unshare", "--mount", "sh", "-c", script, "sh", tmp_path / "disk", *program]
    said = subprocess.check_output([str(word) for word in argv], cwd=home.CHECKOUT, text=True)
    assert "disk/store: no space left on the disk (" in said
    assert "hint: free some space, or set POSTOLKA_HOME to a directory on a larger disk" in said
    assert said.splitlines()[-1] == "['.locks', '.making']"
