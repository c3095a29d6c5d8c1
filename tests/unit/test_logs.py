"""Each build that runs has a log of its own."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

import pytest

from postolka import files, logs

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(name="directory")
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("POSTOLKA_HOME", str(tmp_path))
    return tmp_path / "logs"


def test_two_builds_of_one_image_have_two_logs(directory: Path) -> None:
    """Neither ends up in the other's, and the end of one doesn't take the other's away."""
    with logs.new("build-1") as first:
        first.write_text("first")
        with logs.new("build-1") as second:
            assert second != first
            assert second.read_text() == ""
        assert first.read_text() == "first"
        assert list(directory.iterdir()) == [first]
    assert list(directory.iterdir()) == []


def test_the_log_of_a_failure_stays_until_the_next_try(directory: Path) -> None:
    """The error names it, so it has to be there; the next try starts an empty one."""
    with contextlib.suppress(OSError), logs.new("build-1") as log:
        log.write_text("why")
        raise OSError
    assert log.read_text() == "why"
    with logs.new("build-1") as again:
        assert again == log
        assert again.read_text() == ""
    assert list(directory.iterdir()) == []


def test_a_file_is_replaced_at_once_by_many(tmp_path: Path) -> None:
    """Writers at the same time don't disturb each other, and a reader never sees a part."""
    path = tmp_path / "entry"
    contents = {bytes([65 + number]) * 100_000 for number in range(8)}
    files.replace(path, next(iter(contents)))
    stop = threading.Event()

    def write(content: bytes) -> None:
        while not stop.is_set():
            files.replace(path, content)

    threads = [threading.Thread(target=write, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    try:
        assert {path.read_bytes() for _ in range(200)} <= contents
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert list(tmp_path.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o644
