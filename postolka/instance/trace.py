"""Follow a mail through the logs: Postfix before and after the filter, milters, amavis, delivery.

A mail has several queue ids on its way, and programs that know none of them. Pure but for `read`.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from postolka.errors import PostolkaError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Postfix' long ids (postconf(5), enable_long_queue_ids): a time in digits and letters without
#: vowels, then z and an inode, in which z is none of them; or its short ones.
_PART = "0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-y"
_ID = rf"(?:[{_PART}z]{{10,}}z[{_PART}]+|[0-9A-F]{{6,}})"
_QUEUED = re.compile(rf"({_ID}): (.*)", re.DOTALL)
_MESSAGE_ID = re.compile(r"(?:message-id=|Message-ID: |msgid=)<([^<>\s]+)>")
_ADDRESS = re.compile(r"\b(?:from|to|orig_to|sasl_username)=<?([^<>,\s]*)>?")
_SENDER = re.compile(r"\bfrom=<([^<>]*)>, size=")
_RESULT = re.compile(r"to=<([^<>]*)>, .*?status=(\w+) \((.*)\)", re.DOTALL)
#: The filter, or the second pass for forwarded mail, gives it back on loopback under another id.
_AGAIN = re.compile(
    rf"relay=127\.0\.0\.1\[.*queued as ({_ID})\)|non-delivery notification: ({_ID})"
)
_FILTERED = re.compile(rf"queued_as: ({_ID})")
#: amavis's own name of a task, and Dovecot's of a delivery.
_TASK = re.compile(r"\((\d+-\d+(?:-\d+)?)\)")
_SAVED = re.compile(r"\(250 2\.0\.0 <[^<>]*> (\S+) Saved\)")
_SESSION = re.compile(r"lmtp\([^()]*\)<\d+><([^<>]+)>")
#: Between what a filter says and what Postfix does.
_APART_SECONDS = 600
_MICROSECONDS = 1_000_000
_QUESTION = (
    *("--quiet", "--output=json"),
    "--output-fields=MESSAGE,SYSLOG_IDENTIFIER,_SOURCE_REALTIME_TIMESTAMP",
    *("SYSLOG_FACILITY=2", "+", "_SYSTEMD_UNIT=dmarc-policy.service"),
    *("+", "_SYSTEMD_UNIT=postolka-ratelimit.service"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of the log."""

    when: float
    program: str
    queue_id: str
    """Empty: it names none."""
    text: str

    @property
    def time(self) -> str:
        """When it was, to the millisecond."""
        return datetime.fromtimestamp(self.when, UTC).isoformat(" ", "milliseconds")[:-6]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail, or an attempt to bring one, and its way in order."""

    lines: tuple[Line, ...]

    @property
    def message_id(self) -> str:
        """Without its brackets; empty for what never came so far."""
        found = (_MESSAGE_ID.search(line.text) for line in self.lines)
        return next((match[1] for match in found if match), "")

    @property
    def sender(self) -> str:
        """Of the envelope; empty also for a bounce."""
        found = (_SENDER.search(line.text) for line in self.lines)
        return next((match[1] for match in found if match), "")

    @property
    def results(self) -> dict[str, tuple[str, str]]:
        """What became of it last, by recipient: a status, and the other side's words."""
        found = {}
        for line in self.lines:
            result = _RESULT.search(line.text)
            if result and not _AGAIN.search(line.text):
                found[result[1]] = (result[2], result[3])
        return found

    def concerns(self, wanted: str) -> bool:
        """Say whether an address, or a Message-ID, is this mail's."""
        return any(
            wanted.lower() == found.lower()
            for line in self.lines
            for found in (*_MESSAGE_ID.findall(line.text), *_ADDRESS.findall(line.text))
        )

    def as_data(self) -> dict[str, Any]:
        """Return plain data, ready for JSON."""
        return {
            "message_id": self.message_id,
            "sender": self.sender,
            "recipients": [
                {"address": address, "status": status, "text": text}
                for address, (status, text) in self.results.items()
            ],
            "steps": [
                {
                    "time": datetime.fromtimestamp(line.when, UTC).isoformat(),
                    "program": line.program,
                    "queue_id": line.queue_id,
                    "text": line.text,
                }
                for line in self.lines
            ],
        }

    def __str__(self) -> str:
        head = f"<{self.message_id}> from <{self.sender}>" if self.message_id else "no mail came in"
        ends = [f"  {status} to <{address}>" for address, (status, _) in self.results.items()]
        steps = [
            f"  {line.time}  {line.program:27} {line.queue_id:16} {line.text}"
            for line in self.lines
        ]
        return "\n".join([head, *ends, *steps])


def read(days: int) -> list[Line]:
    """Return what the journal has of mail, oldest first. Raises PostolkaError without it."""
    # What was said a moment ago may still be on its way (journalctl(1), --sync). Not to wait for
    # it is no reason to show nothing.
    subprocess.run(("journalctl", "--sync"), capture_output=True, check=False)
    argv = ("journalctl", f"--since=-{days}d", *_QUESTION)
    done = subprocess.run(argv, capture_output=True, check=False)
    if done.returncode:
        raise PostolkaError("journalctl", done.stderr.decode(errors="replace").strip())
    return [line(json.loads(item)) for item in done.stdout.splitlines()]


def line(entry: dict[str, Any]) -> Line:
    """Return an entry of the journal (systemd.journal-fields(7), journalctl(1) --output=json)."""
    said = entry.get("MESSAGE") or ""
    # What isn't UTF-8 comes as numbers.
    text = bytes(said).decode(errors="replace") if isinstance(said, list) else str(said)
    # A stranger's words must not steer the operator's terminal.
    text = "".join(char if char.isprintable() else "?" for char in text)
    program = str(entry.get("SYSLOG_IDENTIFIER") or "")
    queued = _QUEUED.fullmatch(text)
    # When it was said; the journal may have taken it a moment later.
    when = entry.get("_SOURCE_REALTIME_TIMESTAMP") or entry["__REALTIME_TIMESTAMP"]
    return Line(
        when=int(when) / _MICROSECONDS,
        program=program,
        queue_id=queued[1] if queued else "",
        text=queued[2] if queued else text,
    )


def mails(lines: Iterable[Line]) -> list[Mail]:
    """Put together what belongs to each mail, in the order of their first lines."""
    queued: defaultdict[str, list[Line]] = defaultdict(list)
    others: list[Line] = []
    found: list[list[Line]] = []
    for item in lines:
        if item.queue_id:
            queued[item.queue_id].append(item)
        elif item.text.startswith("NOQUEUE: "):
            # Refused before there was a mail.
            found.append([item])
        else:
            others.append(item)
    groups = list(_joined(queued, others))
    for group in groups:
        group.sort(key=lambda item: item.when)
    _attach(groups, others)
    for group in (*groups, *found):
        group.sort(key=lambda item: item.when)
    ordered = sorted((*groups, *found), key=lambda group: group[0].when)
    return [Mail(lines=tuple(group)) for group in ordered]


def _joined(queued: dict[str, list[Line]], others: Iterable[Line]) -> Iterator[list[Line]]:
    """Yield the lines of each mail, under all of its queue ids."""
    parent = {name: name for name in queued}

    def root(name: str) -> str:
        while parent[name] != name:
            name = parent[name]
        return name

    for name, items in queued.items():
        for item in items:
            if (again := _AGAIN.search(item.text)) and (later := again[1] or again[2]) in queued:
                parent[root(later)] = root(name)
    groups: defaultdict[str, list[Line]] = defaultdict(list)
    for name, items in queued.items():
        groups[root(name)] += items
    for item in others:
        if (filtered := _FILTERED.search(item.text)) and filtered[1] in queued:
            groups[root(filtered[1])].append(item)
    yield from groups.values()


def _attach(groups: list[list[Line]], others: Iterable[Line]) -> None:
    """Add the lines that name no queue id to the mail that they speak of."""
    by_key: defaultdict[str, list[list[Line]]] = defaultdict(list)
    for group in groups:
        for key in dict.fromkeys(key for item in group for key in _keys_of_mail(item)):
            by_key[key].append(group)
    for item in others:
        if _FILTERED.search(item.text) and any(item in group for group in by_key[_task(item)]):
            continue
        for key in _keys_of_line(item):
            near = [group for group in by_key[key] if _is_near(item, group)]
            if near:
                near[0].append(item)
                break


def _keys_of_mail(item: Line) -> Iterator[str]:
    """Yield by what others may speak of the mail of this line."""
    yield from (f"<{found}>" for found in _MESSAGE_ID.findall(item.text))
    yield from (f"session {found}" for found in _SAVED.findall(item.text))
    if item.program == "amavis":
        yield _task(item)


def _keys_of_line(item: Line) -> Iterator[str]:
    """Yield of what mail this line speaks, the surest first."""
    yield from (f"session {found}" for found in _SESSION.findall(item.text))
    if item.program == "amavis":
        yield _task(item)
    yield from (f"<{found}>" for found in _MESSAGE_ID.findall(item.text))


def _task(item: Line) -> str:
    found = _TASK.match(item.text)
    return f"task {found[1]}" if found else "no task"


def _is_near(item: Line, group: list[Line]) -> bool:
    return group[0].when - _APART_SECONDS < item.when < group[-1].when + _APART_SECONDS
