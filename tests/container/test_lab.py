"""The lab's own inhabitants, seen by the clients that Debian's servers use; no server is in it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from postolka.errors import PostolkaError
from postolka.lab import spam, world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postolka.lab.client import Lab


def _mail() -> bytes:
    """Return a mail like no other. Pyzor sees neither numbers nor long words."""
    word = "".join(chr(ord("a") + int(digit)) for digit in str(time.time_ns())[-8:])
    line = f"Offer {word}: buy it now, or you will regret it for ever.\r\n"
    head = "From: a@stranger.example\r\nTo: b@example.test\r\nSubject: An offer\r\n\r\n"
    return (head + line * 8).encode("ascii")


@pytest.fixture
def lists(lab: Lab) -> Iterator[Lab]:
    """Return a lab whose lists speak; afterwards nobody of ours is on them."""
    yield lab
    lab.silence()
    for subject in ("192.0.2.77", "2001:db8::77", "evil.example", "*"):
        lab.unblock(subject)


@pytest.mark.parametrize("subject", ["192.0.2.77", "2001:db8::77"])
def test_address_is_blocked_while_it_is_listed(lists: Lab, subject: str) -> None:
    """It is there at once, signed, and gone at once."""
    name = {
        "192.0.2.77": "77.2.0.192.zen.spamhaus.org",
        "2001:db8::77": "7.7" + ".0" * 22 + ".8.b.d.0.1.0.0.2.zen.spamhaus.org",
    }[subject]
    assert lists.lookup(name, "A") == []
    lists.block(subject)
    assert sorted(lists.lookup(name, "A")) == [b"127.0.0.2", b"127.0.0.4"]
    assert lists.lookup(name, "TXT")
    lists.unblock(subject)
    assert lists.lookup(name, "A") == []


def test_list_can_refuse_everybody(lists: Lab) -> None:
    """127.255.255.254 about each name, as whoever asks through a public resolver gets it."""
    lists.block("*", "127.255.255.254")
    for name in ("1.2.0.192.zen.spamhaus.org", "a.b.example.dbl.spamhaus.org"):
        assert lists.lookup(name, "A") == [b"127.255.255.254"]
    lists.unblock("*")
    assert lists.lookup("a.b.example.dbl.spamhaus.org", "A") == []


def test_silent_list_answers_nothing(lists: Lab) -> None:
    """Not even an error; everybody else is still heard."""
    lists.block("evil.example")
    lists.silence("blocklists")
    with pytest.raises(PostolkaError):
        lists.lookup("evil.example.dbl.spamhaus.org", "A")
    assert lists.lookup(world.OUTSIDE.name, "A")
    lists.silence()
    assert lists.lookup("evil.example.dbl.spamhaus.org", "A") == [b"127.0.1.2"]


def test_nobody_else_can_be_silent(lab: Lab) -> None:
    """A typing error is told with the names there are."""
    with pytest.raises(PostolkaError, match="pyzors: is nobody who can be silent"):
        lab.silence("pyzors")


@pytest.mark.parametrize(
    ("name", "check"),
    [("pyzor", "pyzor check"), ("razor", "razor-check -home /lab")],
)
def test_reported_mail_is_known_to_its_client(lab: Lab, name: str, check: str) -> None:
    """Debian's client finds its server by DNS, and knows the mail after the report only."""
    mail, other = _mail(), _mail()
    argv = ["sh", "-c", f"{check}; echo status $?"]
    assert b"status 1" in spam.call(lab, argv, mail)
    spam.report(lab, mail, to=[name])
    assert b"status 0" in spam.call(lab, argv, mail)
    assert b"status 1" in spam.call(lab, argv, other)


def test_razor_takes_a_users_report(lab: Lab) -> None:
    """A new identity is registered, reports, and the mail is known; revoked, it isn't."""
    script = """
        cd /lab; cat >mail; razor-admin -home /lab -create
        razor-admin -home /lab -register
        razor-report -f -home /lab mail; razor-check -home /lab mail; echo reported $?
        razor-revoke -f -home /lab mail; razor-check -home /lab mail; echo revoked $?
    """
    seen = spam.call(lab, ["sh", "-c", script], _mail())
    assert b"reported 0" in seen
    assert b"revoked 1" in seen
