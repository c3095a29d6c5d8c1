"""What others know of a mail adds to its score, and costs nothing when they are silent."""

from __future__ import annotations

import time
from email import message_from_bytes
from typing import TYPE_CHECKING

import pytest

from postolka import mailclient
from postolka.acceptance import compose
from postolka.lab import post, spam, world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage

    from postolka.acceptance import Subject
    from postolka.lab.client import Lab
    from postolka.mailclient import Login

#: Below a top-level domain that SpamAssassin takes for one.
_DOMAIN = "evil-offers.com"
_LISTED = 41
#: Not one that postscreen asks: a client on it is heard.
_LIST = "bl.spamcop.net"
_RULE = "RCVD_IN_BL_SPAMCOP_NET"


@pytest.fixture(autouse=True)
def forgotten(lab: Lab) -> Iterator[None]:
    """Afterwards the lists speak, and nobody is on them."""
    yield
    lab.silence()
    lab.unblock(world.stranger(_LISTED).ipv4, where=_LIST)
    lab.unblock(_DOMAIN)
    lab.unblock(_DOMAIN, where="multi.surbl.org")
    lab.unblock("*")


def _send(
    subject: Subject, login: Login, domain: str = _DOMAIN, *, lines: int = 1, known_to: str = ""
) -> EmailMessage:
    """Send a mail that names the domain from the address that tests list.

    One of few lines is too short for Razor to know it.
    """
    mail = compose(world.STRANGER, [login.address], "An offer")
    mail.set_content(f"Dear customer,\nlook at http://{domain}/offer and be quick.\n" * lines)
    if known_to:
        spam.report(subject.lab, bytes(mail), to=[known_to])
    with post.stranger(subject.lab, subject.address, number=_LISTED) as client:
        client.sendmail(world.STRANGER, [login.address], bytes(mail))
    return mail


def _delivered(subject: Subject, login: Login) -> dict[str, str]:
    """Send it and return its X-Spam fields, once it is in the inbox."""
    mail = _send(subject, login)
    got = message_from_bytes(mailclient.wait_for(subject.server, login, mail["Message-ID"]))
    return {name: " ".join(str(got[name]).split()) for name in got if name.startswith("X-Spam")}


def _score(fields: dict[str, str]) -> float:
    return float(fields["X-Spam-Score"])


def test_listed_client_and_domain_add_their_scores(subject: Subject, alice: Login) -> None:
    """Each by its own rule; a mail that nobody knows has neither."""
    before = _delivered(subject, alice)
    assert "RCVD_IN_" not in before["X-Spam-Status"]
    subject.lab.block(world.stranger(_LISTED).ipv4, where=_LIST)
    by_address = _delivered(subject, alice)
    assert _RULE in by_address["X-Spam-Status"]
    assert _score(by_address) > _score(before)
    subject.lab.unblock(world.stranger(_LISTED).ipv4, where=_LIST)
    subject.lab.block(_DOMAIN)
    by_domain = _delivered(subject, alice)
    assert "URIBL_DBL_SPAM" in by_domain["X-Spam-Status"]
    assert "URIBL_BLACK" in by_domain["X-Spam-Status"]
    assert _score(by_domain) > _score(before)


def test_mail_that_several_lists_know_is_in_spam(subject: Subject, alice: Login) -> None:
    """Between the two levels it is marked, and delivered there."""
    subject.lab.block(world.stranger(_LISTED).ipv4, where=_LIST)
    subject.lab.block(_DOMAIN)
    subject.lab.block(_DOMAIN, "127.0.0.64", where="multi.surbl.org")
    mark = _send(subject, alice)["Message-ID"]
    fields = message_from_bytes(mailclient.wait_for(subject.server, alice, mark, folder="Spam"))
    assert fields["X-Spam-Flag"] == "YES"
    assert 7 <= float(fields["X-Spam-Score"]) < 15


@pytest.mark.parametrize("service", ["razor", "pyzor"])
def test_report_tips_the_scale(subject: Subject, alice: Login, service: str) -> None:
    """A mail that lists alone leave in the inbox is in Spam when others have reported it."""
    # Razor knows a mail by the domains in it, too: this one is of no other test.
    domain = f"{service}-offers.com"
    subject.lab.block(domain)
    mark = _send(subject, alice, domain, lines=8)["Message-ID"]
    fields = message_from_bytes(mailclient.wait_for(subject.server, alice, mark))
    assert float(fields["X-Spam-Score"]) < 7
    mark = _send(subject, alice, domain, lines=8, known_to=service)["Message-ID"]
    fields = message_from_bytes(mailclient.wait_for(subject.server, alice, mark, folder="Spam"))
    assert fields["X-Spam-Flag"] == "YES"
    assert 7 <= float(fields["X-Spam-Score"]) < 15


def test_spam_that_a_user_sends_is_marked_inside_only(subject: Subject, bob: Login) -> None:
    """Between the two levels it goes to Spam here, and outside as it was written."""
    for answers, where in (((), None), (("127.0.0.64",), "multi.surbl.org")):
        subject.lab.block(_DOMAIN, *answers, where=where)
    mail = compose(subject.first.address, [bob.address, world.FRIEND], "An offer of mine")
    mail.set_content(f"Dear friend,\nlook at http://{_DOMAIN}/mine and be quick.\n" * 8)
    spam.report(subject.lab, bytes(mail), to=["razor", "pyzor"])
    mailclient.submit(subject.server, subject.first, [bob.address, world.FRIEND], bytes(mail))
    mark = mail["Message-ID"]
    inside = message_from_bytes(mailclient.wait_for(subject.server, bob, mark, folder="Spam"))
    assert 7 <= float(inside["X-Spam-Score"]) < 15
    outside = message_from_bytes(post.wait_for(subject.lab, mark).message)
    assert not any(name.startswith("X-Spam") for name in outside)


def test_list_that_refuses_to_answer_counts_as_nothing(subject: Subject, alice: Login) -> None:
    """Spamhaus's 127.255.255.254 and URIBL's 127.0.0.1 are no verdict about a mail."""
    before = _delivered(subject, alice)
    subject.lab.block("*")
    refused = _delivered(subject, alice)
    assert abs(_score(refused) - _score(before)) < 0.1
    assert "RCVD_IN_SBL" not in refused["X-Spam-Status"]
    assert "URIBL_DBL_SPAM" not in refused["X-Spam-Status"]


def test_mail_passes_while_lists_are_silent(subject: Subject, alice: Login) -> None:
    """Without their score, and not much later."""
    subject.lab.block(world.stranger(_LISTED).ipv4, where=_LIST)
    subject.lab.silence("blocklists", "razor", "pyzor")
    begin = time.monotonic()
    fields = _delivered(subject, alice)
    assert time.monotonic() - begin < 60
    assert _RULE not in fields["X-Spam-Status"]
