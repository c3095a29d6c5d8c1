"""Read what a booting machine says on its console: ready, failed, or without instance data.

The instance agent writes `postolka: ready HOSTNAME`, `postolka: failed` or `postolka: waiting for
instance data`, and each problem on a line of its own after it.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from postolka.errors import PostolkaError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: Other messages may stand on the same line, before the mark: the console is shared.
_MARK = re.compile(r"postolka: (ready|failed|waiting for instance data)\b *(.*)")
_PROBLEM = re.compile(r"postolka:   (.*)")
#: Colours, cursor movements and titles (ECMA-48, xterm's OSC), and what else isn't text.
_NOISE = re.compile(
    r"\x1b\[[0-9;?!]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[^\[\]]|[\r\x07]"
)
_POLL_SECONDS = 0.05
#: The problems follow the mark within this time.
_PROBLEMS_SECONDS = 1.0
_TAIL_LINES = 20


@dataclass(frozen=True, slots=True)
class State:
    """What the machine said about itself."""

    word: Literal["ready", "failed", "waiting"]
    hostname: str = ""
    problems: tuple[str, ...] = ()


def read(text: str) -> State | None:
    """Return the last state that the console's text tells, or None."""
    state: State | None = None
    for line in plain(text).splitlines():
        if mark := _MARK.search(line):
            word = mark.group(1).split()[0]
            state = State(word, mark.group(2).strip() if word == "ready" else "")  # type: ignore[arg-type]
        elif state and (problem := _PROBLEM.search(line)):
            state = State(state.word, state.hostname, (*state.problems, problem.group(1).rstrip()))
    return state


def plain(text: str) -> str:
    """Return the text without the control sequences of a terminal."""
    return _NOISE.sub("", text)


def wait(
    console: Path,
    is_alive: Callable[[], bool],
    *,
    timeout_seconds: float,
    offset: int = 0,
    progress: Callable[[str], None] | None = None,
) -> State:
    """Return the first state that the machine tells on `console` after byte `offset`.

    `progress` gets each whole line as it appears. Raises PostolkaError, with the console's last
    lines, where the machine ends or says nothing in time.
    """
    deadline = time.monotonic() + timeout_seconds
    shown = 0
    while True:
        was_alive, is_late = is_alive(), time.monotonic() > deadline
        text = _text(console, offset)
        if progress:
            lines = plain(text).splitlines(keepends=True)
            whole = [line for line in lines if line.endswith("\n")]
            for line in whole[shown:]:
                progress(line.rstrip())
            shown = len(whole)
        if state := read(text):
            if state.word != "ready":
                time.sleep(_PROBLEMS_SECONDS)
                state = read(_text(console, offset)) or state
            return state
        if not was_alive:
            raise PostolkaError(str(console), f"the machine has ended\n{_tail(text)}")
        if is_late:
            raise PostolkaError(
                str(console),
                f"the machine is not ready after {timeout_seconds:.0f} s\n{_tail(text)}",
            )
        time.sleep(_POLL_SECONDS)


def _text(console: Path, offset: int) -> str:
    try:
        with console.open("rb") as file:
            file.seek(offset)
            return file.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def _tail(text: str) -> str:
    return "\n".join(f"  | {line}" for line in plain(text).splitlines()[-_TAIL_LINES:])
