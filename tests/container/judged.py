"""Whether each mail is judged as it should be, while the judges come and go."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, field
from email import message_from_bytes
from typing import TYPE_CHECKING

from postolka import mailclient
from postolka.acceptance import compose
from postolka.lab import world
from tests.container.senders import BANK, CLUB
from tests.container.sending import bring, leaves_signed, submit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from email.message import EmailMessage

    from postolka.acceptance import Subject
    from postolka.mailclient import Login


@dataclass(slots=True)
class _Tally:
    """What became of the mails of one kind."""

    taken: list[EmailMessage] = field(default_factory=list)
    put_off: int = 0
    refused: int = 0

    def count(self, code: int, mail: EmailMessage) -> None:
        """Note an answer."""
        if code == 250:
            self.taken.append(mail)
        elif code < 500:
            self.put_off += 1
        else:
            self.refused += 1


@contextlib.contextmanager
def beside(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Have `work` go on in a thread of its own until the event that it is given is set."""
    is_over = threading.Event()
    thread = threading.Thread(target=work, args=(is_over,))
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def rightly(
    subject: Subject,
    alice: Login,
    dying: AbstractContextManager[None],
    *,
    patience_seconds: float = 150,
) -> None:
    """Send mails of each kind until some were put off by `dying`, and five of each judged.

    `senders.publish` first. Fails where one is judged wrongly, or leaves without its signatures.
    """
    good, spoofed, plain, sent = (_Tally() for _ in range(4))
    deadline = time.monotonic() + patience_seconds
    with dying:
        while time.monotonic() < deadline and not all(
            tally.put_off and len(tally.taken) + tally.refused >= 5
            for tally in (good, spoofed, plain, sent)
        ):
            mail = compose(BANK.address, [alice.address], "Signed")
            good.count(bring(subject, alice, BANK.sign(bytes(mail)), number=1), mail)
            mail = compose(BANK.address, [alice.address], "Spoofed")
            spoofed.count(bring(subject, alice, bytes(mail), number=2), mail)
            mail = compose(f"x@{CLUB.domain}", [alice.address], "Plain")
            plain.count(bring(subject, alice, bytes(mail), number=3), mail)
            mail = compose(alice.address, [world.FRIEND], "Sent")
            sent.count(submit(subject, alice, [world.FRIEND], bytes(mail)), mail)
    assert all(tally.put_off for tally in (good, spoofed, plain, sent)), "nothing was away"
    assert (good.refused, plain.refused, sent.refused) == (0, 0, 0)
    assert not spoofed.taken
    assert spoofed.refused
    for mail in good.taken:
        assert _verdicts(subject, alice, mail) == {"dkim=pass", "dmarc=pass"}
    for mail in plain.taken:
        assert _verdicts(subject, alice, mail) == {"dkim=none", "dmarc=none"}
    for mail in sent.taken:
        leaves_signed(subject, mail)


def _verdicts(subject: Subject, login: Login, mail: EmailMessage) -> set[str]:
    """Return what the server says of DKIM and DMARC in the delivered mail."""
    delivered = mailclient.wait_for(subject.server, login, mail["Message-ID"])
    values = message_from_bytes(delivered).get_all("Authentication-Results", [])
    words = [value.partition(";")[2].split()[0].strip(";") for value in values]
    return {word for word in words if word.startswith(("dkim=", "dmarc="))}
