"""How many mails a server takes and delivers, and how soon: from SMTP to where IMAP shows them."""

from __future__ import annotations

import concurrent.futures
import imaplib
import random
import re
import ssl
import statistics
import time
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, localtime, make_msgid
from typing import TYPE_CHECKING

from postolka import namespace
from postolka.errors import PostolkaError
from postolka.lab import post, world

if TYPE_CHECKING:
    from collections.abc import Sequence

    from postolka.lab.client import Lab

_IMAPS = 993
_CONNECTIONS = 10
_BODY_WORDS = 600
_POLL_SECONDS = 0.02
#: Of one mail, and of what may come after the last that was sent.
_PATIENCE_SECONDS = 300.0
_SUBJECT = re.compile(rb"^Subject: bench (\d+)\r?$", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A mailbox on a server in the lab."""

    lab: Lab
    address: str
    """The server's, in the lab."""
    recipient: str
    login: str
    password: str


class _Imap(imaplib.IMAP4_SSL):
    """An IMAP client among the lab's strangers."""

    def __init__(self, lab: Lab, address: str) -> None:
        self._where = lab.strangers
        self._context = ssl.create_default_context()
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE
        super().__init__(address, _IMAPS, ssl_context=self._context)

    def _create_socket(self, timeout: float | None) -> ssl.SSLSocket:
        plain = namespace.connect(
            self._where, self.host, self.port, timeout_seconds=timeout or _PATIENCE_SECONDS
        )
        return self._context.wrap_socket(plain)


class _Watch:
    """Looks into the mailbox for mails that it hasn't seen yet."""

    def __init__(self, target: Target) -> None:
        self._client = _Imap(target.lab, target.address)
        self._client.login(target.login, target.password)
        self._count = self._exists(self._client.select("INBOX")[1][-1])

    def close(self) -> None:
        self._client.logout()

    def new(self) -> list[int]:
        """Return the numbers of the mails that have come since the last look."""
        self._client.noop()
        before = self._count
        # The latest of what the server has said by itself (RFC 9051, 7.4.1); it is forgotten.
        self._count = self._exists(self._client.response("EXISTS")[1][-1]) or before
        if self._count == before:
            return []
        fields = "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])"
        _, found = self._client.fetch(f"{before + 1}:{self._count}", fields)
        texts = [part[1] for part in found if isinstance(part, tuple)]
        return [int(hit[1]) for text in texts if (hit := _SUBJECT.search(text))]

    @staticmethod
    def _exists(told: object) -> int:
        return int(told) if isinstance(told, bytes) else 0


def burst(target: Target, count: int) -> float:
    """Return the mails a second of `count` that come on several connections at once."""
    watch = _Watch(target)
    begin = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(_CONNECTIONS) as pool:
        work = [
            pool.submit(_send, target, range(first, count, _CONNECTIONS), first)
            for first in range(_CONNECTIONS)
        ]
        seen = _await(watch, set(range(count)), work)
    watch.close()
    return count / (max(seen.values()) - begin)


def one_by_one(target: Target, count: int) -> float:
    """Return the seconds within which 95 % of `count` mails are there, each sent on its own."""
    watch = _Watch(target)
    times = []
    for number in range(1_000_000, 1_000_000 + count):
        begin = time.monotonic()
        _send(target, range(number, number + 1), 0)
        times.append(_await(watch, {number})[number] - begin)
    watch.close()
    return statistics.quantiles(times, n=20)[-1]


def _await(
    watch: _Watch, wanted: set[int], work: Sequence[concurrent.futures.Future[None]] = ()
) -> dict[int, float]:
    """Return when each mail was seen; raises what the `work` of sending them raises."""
    seen: dict[int, float] = {}
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while wanted - seen.keys():
        now = time.monotonic()
        found = dict.fromkeys(watch.new(), time.monotonic())
        seen |= {number: when for number, when in found.items() if number in wanted}
        if found:
            deadline = now + _PATIENCE_SECONDS
        elif now > deadline:
            problem = f"{len(wanted - seen.keys())} of {len(wanted)} mails never came"
            raise PostolkaError("bench", problem)
        for sending in work:
            if sending.done():
                sending.result()
        time.sleep(_POLL_SECONDS)
    return seen


def _send(target: Target, numbers: range, stranger: int) -> None:
    with post.stranger(target.lab, target.address, number=stranger) as client:
        for number in numbers:
            client.sendmail(world.STRANGER, [target.recipient], _mail(target, number))


def _mail(target: Target, number: int) -> bytes:
    """Return a mail of about 4 KiB of words, like no other."""
    words = random.Random(number)  # noqa: S311 - text, not a secret
    letters = "aaabcdeeefghiijklmnooprstuvyz"
    text = " ".join(
        "".join(words.choices(letters, k=words.randint(2, 9))) for _ in range(_BODY_WORDS)
    )
    mail = EmailMessage(policy=SMTP)
    mail["From"] = world.STRANGER
    mail["To"] = target.recipient
    mail["Subject"] = f"bench {number}"
    mail["Date"] = format_datetime(localtime())
    mail["Message-ID"] = make_msgid(domain="stranger.example")
    mail.set_content("\n".join(text[i : i + 70] for i in range(0, len(text), 70)) + "\n")
    return bytes(mail)
