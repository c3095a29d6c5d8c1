"""How much a login may send in an hour: Postfix asks before it takes a submitted mail.

Speaks Postfix's policy protocol (https://www.postfix.org/SMTPD_POLICY_README.html) on a socket. A
mail counts as many times as it has recipients. A login over its limit is put off, and the admin
gets one mail about it in an hour. Counts are kept in memory: who could restart this needs no mail.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from postolka.instance.house import load_house
from postolka.instance.paths import Paths

if TYPE_CHECKING:
    from collections.abc import Mapping

HOUR_SECONDS = 3600.0
#: Who is over the limit, for `postolka-instance status` (Paths.exceeded).
_EXCEEDED = "exceeded.json"
_SOCKET = "socket"
_ACCEPT = "DUNNO"
_MAX_REQUEST_LINES = 100
_log = logging.getLogger("ratelimit")


@dataclass(slots=True)
class Limit:
    """Counts what each login has sent in the last hour."""

    recipients_per_hour: int
    _sent: defaultdict[str, deque[tuple[float, int]]] = field(
        default_factory=lambda: defaultdict(deque)
    )
    _refused: dict[str, float] = field(default_factory=dict)

    def take(self, login: str, recipients: int, now: float) -> bool:
        """Return whether `login` may send to so many more; if so, they count from `now` on."""
        sent = self._sent[login]
        while sent and sent[0][0] <= now - HOUR_SECONDS:
            sent.popleft()
        if sum(count for _, count in sent) + recipients > self.recipients_per_hour:
            return False
        sent.append((now, recipients))
        return True

    def is_news(self, login: str, now: float) -> bool:
        """Note a refusal; return whether it is the first of `login` in an hour."""
        is_news = login not in self.exceeded(now)
        if is_news:
            self._refused[login] = now
        return is_news

    def exceeded(self, now: float) -> list[str]:
        """Return the logins that were refused in the last hour."""
        self._refused = {
            login: when for login, when in self._refused.items() if when > now - HOUR_SECONDS
        }
        return sorted(self._refused)


class Service:
    """Answers Postfix."""

    def __init__(self, limit: Limit, directory: Path) -> None:
        self._limit = limit
        self._directory = directory
        self._alarms: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one smtpd, until it goes."""
        with contextlib.suppress(OSError, ValueError, asyncio.IncompleteReadError):
            while request := await _request(reader):
                writer.write(f"action={self.answer(request)}\n\n".encode())
                await writer.drain()
        writer.close()

    def answer(self, request: Mapping[str, str]) -> str:
        """Return the action for one request, access(5)."""
        login = request.get("sasl_username", "")
        count = max(int(request.get("recipient_count") or 0), 1)
        allowed = self._limit.recipients_per_hour
        now = time.monotonic()
        if not login or self._limit.take(login, count, now):
            return _ACCEPT
        _log.warning("%s: more than %d recipients in an hour", login, allowed)
        if self._limit.is_news(login, now):
            self._note(now)
            alarm = asyncio.create_task(_alarm(login, allowed))
            self._alarms.add(alarm)
            alarm.add_done_callback(self._alarms.discard)
        if count > allowed:
            return f"550 5.7.1 A mail may have {allowed} recipients here"
        return f"450 4.7.1 {login} has sent to {allowed} recipients in an hour; try again later"

    async def forget(self) -> None:
        """Take who has been good for an hour from the list, for ever."""
        while True:
            self._note(time.monotonic())
            await asyncio.sleep(HOUR_SECONDS / 60)

    def _note(self, now: float) -> None:
        new = self._directory / f".{_EXCEEDED}"
        new.write_text(json.dumps(self._limit.exceeded(now)), encoding="utf-8")
        new.replace(self._directory / _EXCEEDED)


async def _request(reader: asyncio.StreamReader) -> dict[str, str]:
    """Read name=value lines up to an empty one; empty at the end."""
    found: dict[str, str] = {}
    for _ in range(_MAX_REQUEST_LINES):
        line = (await reader.readline()).decode("utf-8", errors="replace").rstrip("\n")
        if not line:
            return found
        name, _, value = line.partition("=")
        found[name] = value
    raise ValueError("no end of the request")


async def _alarm(login: str, allowed: int) -> None:
    """Write to root, who is the admin."""
    text = (
        f"From: Postolka <root>\nTo: root\nSubject: {login} sends too much\n\n"
        f"{login} has tried to send to more than {allowed} recipients within an hour. Its mail is\n"
        "put off until an hour has less. Is it a newsletter, or has somebody its password?\n\n"
        "The limit: setting ratelimit_recipients_per_hour.\n"
    )
    process = await asyncio.create_subprocess_exec(
        "/usr/sbin/sendmail", "-t", stdin=asyncio.subprocess.PIPE
    )
    await process.communicate(text.encode())


async def _run(directory: Path) -> None:
    house = load_house(Paths())
    limit = Limit(recipients_per_hour=house["settings"]["ratelimit"]["recipients_per_hour"])
    service = Service(limit, directory)
    path = directory / _SOCKET
    path.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(service.serve, path)
    await asyncio.gather(server.serve_forever(), service.forget())


def main() -> None:
    """Serve in the directory that is the program's argument."""
    logging.basicConfig(format="%(message)s")
    asyncio.run(_run(Path(sys.argv[1])))
