"""Two servers of one image send each other mail, as strangers who know each other by DNS alone."""

from __future__ import annotations

import re
import time
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, TypeAlias

import pytest

from postolka import acceptance, container, mailclient
from postolka.lab import post, world
from tests import started
from tests.container import senders
from tests.container.conftest import JOURNAL, new_instance, sql, ssh
from tests.container.managesieve import filtering
from tests.container.senders import CLUB, LISTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from postolka.acceptance import Subject
    from postolka.machines import Machine
    from tests.container.conftest import Boots

#: Two machines, and none of what they say of each other is new to those that boot alone.
pytestmark = pytest.mark.soak

Pair: TypeAlias = "dict[str, tuple[Machine, Subject]]"

_ANSWER_SECONDS = 60
_PASSED = {("dkim", "pass"), ("spf", "pass"), ("dmarc", "pass")}
_VERDICT = re.compile(r"\b(dkim|spf|dmarc)=(\w+)")


@pytest.fixture(scope="module")
def pair(boots: Boots, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Boot both in one lab. OpenDKIM knows nothing below test."""
    found: Pair = {}
    try:
        for domain in ("a.example", "b.example"):
            directory: Path = tmp_path_factory.mktemp(domain) / "files"
            machine = container.run(boots.request(new_instance(directory, domain)))
            found[domain] = (machine, acceptance.subject(machine, boots.lab, directory))
        yield found
    finally:
        for machine, _ in found.values():
            started.drop(machine.name)


@pytest.mark.parametrize(
    ("here", "there"), [("a.example", "b.example"), ("b.example", "a.example")]
)
def test_mail_passes_every_check_of_the_other(pair: Pair, here: str, there: str) -> None:
    """DKIM by both keys, SPF and DMARC, and TLS by the key that DANE names."""
    (sender, us), (_, them) = pair[here], pair[there]
    mail = acceptance.compose(us.first.address, [them.first.address], f"From {here}")
    mailclient.submit(us.server, us.first, [them.first.address], bytes(mail))
    got = mailclient.wait_for(them.server, them.first, mail["Message-ID"])
    signatures = acceptance.signatures(us.lab, got)
    assert {(s.algorithm, s.domain) for s in signatures if s.is_valid} == {
        ("rsa-sha256", here),
        ("ed25519-sha256", here),
    }
    assert _verdicts(them, got) == _PASSED
    # Postfix says `Verified` for a key that a TLSA record vouches for, `Trusted` or less otherwise.
    log = ssh(sender, f"{JOURNAL} -u postfix.service")
    assert f"Verified TLS connection established to {them.server.name}[" in log


def test_they_have_no_secret_in_common(pair: Pair) -> None:
    """What the image doesn't bring each machine has made by itself."""
    own = "/etc/machine-id /etc/bind/rndc.key /var/lib/postolka/machine/*"
    own += " /var/lib/postolka/ssh/*_key"
    found = []
    for machine, _ in pair.values():
        lines = ssh(machine, f"sudo sh -c 'sha256sum {own}'").splitlines()
        found.append({path: digest for digest, path in (line.split() for line in lines)})
    here, there = found
    assert here.keys() == there.keys()
    assert [path for path in here if here[path] == there[path]] == []


def _verdicts(subject: Subject, message: bytes) -> set[tuple[str, str]]:
    """Return what the server says of a mail that it took."""
    results = message_from_bytes(message, policy=policy.default).get_all("Authentication-Results")
    own = [str(result) for result in results or [] if str(result).startswith(subject.server.name)]
    return {verdict for result in own for verdict in _VERDICT.findall(result)}


def _about(subject: Subject, mark: str) -> bytes:
    """Return the mail in the first mailbox that speaks of a Message-ID, once it is there."""
    deadline = time.monotonic() + _ANSWER_SECONDS
    while True:
        with mailclient.inbox(subject.server, subject.first) as client:
            if numbers := client.search(None, "TEXT", f'"{mark}"')[1][0].split():
                part = client.fetch(numbers[0].decode("ascii"), "(BODY.PEEK[])")[1][0]
                assert isinstance(part, tuple)
                return part[1]
        assert time.monotonic() < deadline, f"nothing about {mark}"
        time.sleep(0.5)


def test_own_post_comes_back_from_a_list_as_it_was(pair: Pair) -> None:
    """The list breaks SPF and not the signature: the server takes its own user's mail from it."""
    _, us = pair["a.example"]
    senders.publish(us.lab)
    mail = acceptance.compose(us.first.address, [f"list@{LISTS.domain}"], "A post")
    mailclient.submit(us.server, us.first, [f"list@{LISTS.domain}"], bytes(mail))
    posted = post.wait_for(us.lab, mail["Message-ID"]).message
    # From an address that no instance's data name as a trusted forwarder's.
    with post.stranger(us.lab, us.address, number=CLUB.number) as client:
        again = b"List-Id: <list.lists.example>\r\n" + posted
        client.sendmail(f"list-bounces@{LISTS.domain}", [us.first.address], again)
    got = mailclient.wait_for(us.server, us.first, mail["Message-ID"])
    assert {("dkim", "pass"), ("dmarc", "pass")} <= _verdicts(us, got)
    assert ("spf", "pass") not in _verdicts(us, got)


def test_own_bounce_passes(pair: Pair) -> None:
    """What can't be delivered comes back to the other server as this one's, and is taken."""
    (machine, us), (_, them) = pair["a.example"], pair["b.example"]
    alias, goto = f"gone@{us.domain}", f"absent@{world.OUTSIDE.name}"
    sql(machine, f"INSERT INTO alias SET address='{alias}', goto='{goto}', domain='{us.domain}'")
    mail = acceptance.compose(them.first.address, [alias], "To nobody")
    mailclient.submit(them.server, them.first, [alias], bytes(mail))
    bounce = _about(them, mail["Message-ID"])
    assert f"MAILER-DAEMON@{us.server.name}".encode("ascii") in bounce
    assert _verdicts(them, bounce) == _PASSED


def test_own_vacation_reply_passes(pair: Pair) -> None:
    """An absent user's answer is the user's own, though its envelope has no sender."""
    (_, us), (_, them) = pair["a.example"], pair["b.example"]
    mail = acceptance.compose(them.first.address, [us.first.address], "Are you there?")
    with filtering(us, us.first, 'require "vacation"; vacation :days 1 "I am away.";'):
        mailclient.submit(them.server, them.first, [us.first.address], bytes(mail))
        answer = _about(them, mail["Message-ID"])
    assert b"\r\nReturn-Path: <>\r\n" in b"\r\n" + answer
    assert us.first.address.encode("ascii") in answer
    assert _verdicts(them, answer) == _PASSED
