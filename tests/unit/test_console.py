"""What a booting machine says about itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from postolka import console
from postolka.console import State
from postolka.errors import PostolkaError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("", None),
        ("[  OK  ] Started postolka-ready.service\r\n", None),
        ("postolka: ready mail.example.test\r\n", State("ready", "mail.example.test")),
        ("mail login: postolka: ready a.test", State("ready", "a.test")),
        ("\x1b[0;32m  OK\x1b[0m postolka: ready a.test\x1b[0m\r\n", State("ready", "a.test")),
        (
            "postolka: waiting for instance data\r\npostolka:   user-data: none\r\n",
            State("waiting", "", ("user-data: none",)),
        ),
        (
            "postolka: failed\r\n[  OK  ] noise\r\npostolka:   a: x\r\npostolka:   b: y\r\n",
            State("failed", "", ("a: x", "b: y")),
        ),
        ("postolka: failed\npostolka: ready a.test\n", State("ready", "a.test")),
    ],
)
def test_last_state_counts(text: str, state: State | None) -> None:
    """The mark is found among anything else on the console, and problems belong to theirs."""
    assert console.read(text) == state


def test_only_what_comes_after_the_offset_counts(tmp_path: Path) -> None:
    """A second boot isn't ready because the first was."""
    log = tmp_path / "console"
    log.write_bytes(b"postolka: ready a.test\n")
    with pytest.raises(PostolkaError, match="is not ready after 0 s"):
        console.wait(log, lambda: True, timeout_seconds=0, offset=log.stat().st_size)
    assert console.wait(log, lambda: True, timeout_seconds=0).word == "ready"


def test_end_of_the_machine_ends_the_wait(tmp_path: Path) -> None:
    """The error shows what the machine said last."""
    log = tmp_path / "console"
    log.write_bytes(b"Kernel panic\r\n")
    with pytest.raises(PostolkaError, match=r"has ended\n  \| Kernel panic"):
        console.wait(log, lambda: False, timeout_seconds=60)


def test_progress_shows_each_line_once(tmp_path: Path) -> None:
    """Lines are shown whole and without a terminal's control sequences."""
    log = tmp_path / "console"
    log.write_bytes(b"\x1b[1mone\x1b[0m\r\ntwo\r\npostolka: ready a.test\r\n")
    lines: list[str] = []
    console.wait(log, lambda: True, timeout_seconds=1, progress=lines.append)
    assert lines == ["one", "two", "postolka: ready a.test"]
