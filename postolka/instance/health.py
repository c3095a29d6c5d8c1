"""What is not as it should be but no reason to stop: an upstream that is down, or says no.

Shown by status as warnings, which fail nothing. Only reads, and asks the DNS.
"""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, Any

from postolka.errors import Problem
from postolka.instance.transport import ZEN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from postolka.instance.paths import Paths

#: freshclam asks every three hours, and its makers publish every day.
_STALE_DAYS = 7
_DAY_SECONDS = 86400
_DNS_SECONDS = 3.0
#: The entry that every list has for tests (RFC 5782, 5), and the answers that are none.
_TEST, _REFUSED = "2.0.0.127", "127.255.255."
_DATABASES = (".cvd", ".cld", ".ndb", ".hdb", ".hsb", ".ldb", ".lsb", ".yar", ".yara")


def warnings(paths: Paths, house: Mapping[str, Any]) -> tuple[Problem, ...]:
    """Return all of them; takes seconds where the DNS doesn't answer."""
    return tuple(_warnings(paths, house["settings"]))


def _warnings(paths: Paths, settings: Mapping[str, Any]) -> Iterator[Problem]:
    if settings["clamav"]["enabled"]:
        yield from signatures(paths.signatures, time.time())
    if settings["razor"]["enabled"] and not _exists(paths.razor / "identity"):
        yield Problem("razor", "no identity yet; a mail can be looked up, but not reported")
    yield from blocklist(_first_answer(f"{_TEST}.{_zen(paths)}"))


def signatures(directory: Path, now: float) -> Iterator[Problem]:
    """Judge the virus signatures in `directory` at the time `now`."""
    found = [
        path.stat().st_mtime
        for path in directory.glob("*")
        if path.suffix in _DATABASES and path.stem != "postolka"
    ]
    if not found:
        text = "missing until freshclam has fetched them: only EICAR's test file is known"
        yield Problem("virus signatures", text)
    elif now - max(found) > _STALE_DAYS * _DAY_SECONDS:
        days = int((now - max(found)) / _DAY_SECONDS)
        yield Problem("virus signatures", f"{days} days old: journalctl -u clamav-signatures")


def blocklist(answer: str) -> Iterator[Problem]:
    """Judge what Spamhaus answers about its own test entry."""
    if answer.startswith(_REFUSED):
        text = f"answers {answer}, so it refuses this server; its answers count as nothing"
        yield Problem("zen.spamhaus.org", text)


def _zen(paths: Paths) -> str:
    from postolka.instance.parse import parse  # noqa: PLC0415 - only this question needs it

    try:
        key = parse(paths.kept.read_bytes()).dqs_key
    except OSError:
        return ZEN
    return f"{key}.zen.dq.spamhaus.net" if key else ZEN


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
    thread.join(_DNS_SECONDS)
    return found[0] if found else ""


def _exists(path: Path) -> bool:
    """Say whether it is there, or may not be looked for."""
    try:
        return path.exists()
    except PermissionError:
        return True
