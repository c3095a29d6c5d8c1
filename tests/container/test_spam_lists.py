"""What others know of a mail adds to its score, and costs nothing when they are silent."""

from __future__ import annotations

import time
from email import message_from_bytes
from typing import TYPE_CHECKING

import pytest

from postolka import mailclient
from postolka.acceptance import compose
from postolka.lab import post, world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postolka.acceptance import Subject
    from postolka.lab.client import Lab
    from postolka.mailclient import Login

#: Below a top-level domain that SpamAssassin takes for one.
_DOMAIN = "evil-offers.com"
_LISTED = 41


@pytest.fixture(autouse=True)
def forgotten(lab: Lab) -> Iterator[None]:
    """Afterwards the lists speak, and nobody is on them."""
    yield
    lab.silence()
    for subject in (world.stranger(_LISTED).ipv4, _DOMAIN, "*"):
        lab.unblock(subject)


def _delivered(subject: Subject, login: Login) -> dict[str, str]:
    """Send a mail that names the domain from the listed address; return its X-Spam fields."""
    mail = compose(world.STRANGER, [login.address], "An offer")
    mail.set_content(f"Dear customer,\nlook at http://{_DOMAIN}/offer and be quick.\n")
    with post.stranger(subject.lab, subject.address, number=_LISTED) as client:
        client.sendmail(world.STRANGER, [login.address], bytes(mail))
    got = message_from_bytes(mailclient.wait_for(subject.server, login, mail["Message-ID"]))
    return {name: " ".join(str(got[name]).split()) for name in got if name.startswith("X-Spam")}


def _score(fields: dict[str, str]) -> float:
    return float(fields["X-Spam-Score"])


def test_listed_client_and_domain_add_their_scores(subject: Subject, alice: Login) -> None:
    """Each by its own rule; a mail that nobody knows has neither."""
    before = _delivered(subject, alice)
    assert "RCVD_IN_" not in before["X-Spam-Status"]
    subject.lab.block(world.stranger(_LISTED).ipv4)
    by_address = _delivered(subject, alice)
    assert "RCVD_IN_SBL" in by_address["X-Spam-Status"]
    assert _score(by_address) > _score(before)
    subject.lab.unblock(world.stranger(_LISTED).ipv4)
    subject.lab.block(_DOMAIN)
    by_domain = _delivered(subject, alice)
    assert "URIBL_DBL_SPAM" in by_domain["X-Spam-Status"]
    assert "URIBL_BLACK" in by_domain["X-Spam-Status"]
    assert _score(by_domain) > _score(before)


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
    subject.lab.block(world.stranger(_LISTED).ipv4)
    subject.lab.silence("blocklists", "razor", "pyzor")
    begin = time.monotonic()
    fields = _delivered(subject, alice)
    assert time.monotonic() - begin < 60
    assert "RCVD_IN_SBL" not in fields["X-Spam-Status"]
