"""Whether DNS blocklists answer this server, or take its resolver for one that they refuse."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

from postolka.errors import Problem
from postolka.instance.checks.check import Check
from postolka.instance.transport import ZEN

if TYPE_CHECKING:
    from postolka.instance.model import Instance

_SECONDS = 3.0
#: The entry that every list has for tests (RFC 5782, 5), and the answers that are none.
_TEST, _REFUSED = "2.0.0.127", "127.255.255."


def check(instance: Instance) -> Check:
    """Ask Spamhaus for its own test entry."""
    key = instance.dqs_key
    return judge(_first_answer(f"{_TEST}.{f'{key}.zen.dq.spamhaus.net' if key else ZEN}"))


def judge(answer: str) -> Check:
    """Judge what the list answers about that entry; empty: nothing."""
    if not answer.startswith(_REFUSED):
        return Check(name="lists", text="refuse nothing")
    text = f"answers {answer}, so it refuses this server; its answers count as nothing"
    return Check(name="lists", text="refused", warnings=(Problem(ZEN, text),))


def _first_answer(name: str) -> str:
    """Return the first address of `name`; empty where there is none, or none in time."""
    found: list[str] = []

    def ask() -> None:
        try:
            found.append(socket.gethostbyname(name))
        except OSError:
            return

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_SECONDS)
    return found[0] if found else ""
