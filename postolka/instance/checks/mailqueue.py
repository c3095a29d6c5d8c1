"""Mail that waits in Postfix' queue: how much, and for how long."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from typing import TYPE_CHECKING, Any

from postolka.errors import Problem
from postolka.instance.checks.check import HOUR_SECONDS, Check, Figure, count, duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SECONDS = 30
#: Queues that postqueue(1) names.
_QUEUES = ("active", "deferred", "hold", "incoming", "maildrop")


def check(limits: Mapping[str, Any], now: float) -> Check:
    """Ask postqueue(1), which reads the queue itself where Postfix is down."""
    try:
        done = subprocess.run(
            ["/usr/sbin/postqueue", "-j"], capture_output=True, check=False, timeout=_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return Check(name="queue", text="gave no answer")
    if done.returncode:
        return Check(name="queue", text=done.stderr.decode(errors="replace").strip())
    return judge(done.stdout.splitlines(), limits, now)


def judge(lines: Iterable[bytes], limits: Mapping[str, Any], now: float) -> Check:
    """Judge a listing, one JSON object a mail, by the settings of the room status."""
    mails = [json.loads(line) for line in lines]
    oldest = max((now - mail["arrival_time"] for mail in mails), default=0)
    queues = Counter(mail["queue_name"] for mail in mails)
    text, problems = "empty", []
    if mails:
        where = ", ".join(f"{number} {name}" for name, number in sorted(queues.items()))
        text = f"{count(len(mails), 'mail')} ({where}), the oldest for {duration(oldest)}"
    if len(mails) > limits["queue_mails"]:
        said = f"{len(mails)} mails wait, more than {limits['queue_mails']}: postqueue -p"
        problems.append(Problem("queue", said))
    if oldest > limits["queue_hours"] * HOUR_SECONDS:
        said = f"a mail has waited for {duration(oldest)}: postqueue -p"
        problems.append(Problem("queue", said))
    figures = [
        Figure(name="queue_mails", value=queues[name], labels={"queue": name}) for name in _QUEUES
    ]
    figures.append(Figure(name="queue_oldest_seconds", value=oldest))
    return Check(name="queue", text=text, problems=tuple(problems), figures=tuple(figures))
