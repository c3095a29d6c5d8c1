"""Mail that its author's domain disowns, and mail that only looks so."""

from __future__ import annotations

import re
import smtplib
import time
from email import message_from_bytes
from typing import TYPE_CHECKING

import pytest

from postolka import acceptance, mailclient
from postolka.acceptance import compose
from postolka.lab import post, world
from tests.container import senders
from tests.container.conftest import ssh
from tests.container.managesieve import filtering
from tests.container.senders import BANK, BLOG, CLUB, LISTS, SHOP, Sender

if TYPE_CHECKING:
    from postolka.acceptance import Subject
    from postolka.machines import Machine
    from postolka.mailclient import Login

_MARK = "X-DMARC-Disposition"


@pytest.fixture(scope="module", autouse=True)
def _published(subject: Subject) -> None:
    senders.publish(subject.lab)


def _mail(sender: str, recipient: Login, subject_line: str = "A letter") -> bytes:
    return bytes(compose(sender, [recipient.address], subject_line))


def _bring(  # noqa: PLR0913 - each keyword is one property of a delivery
    subject: Subject,
    recipient: Login,
    message: bytes,
    *,
    number: int = 0,
    envelope: str = world.STRANGER,
    helo: str = "",
) -> bytes:
    """Bring a mail from a stranger's address; return it as it was delivered."""
    with post.stranger(subject.lab, subject.address, number=number, helo=helo) as client:
        client.sendmail(envelope, [recipient.address], message)
    mark = message_from_bytes(message)["Message-ID"]
    return mailclient.wait_for(subject.server, recipient, mark)


def _in_spam(subject: Subject, recipient: Login, message: bytes) -> bytes:
    """Bring a mail from a stranger; return it as it was delivered to the folder Spam."""
    with post.stranger(subject.lab, subject.address) as client:
        client.sendmail(world.STRANGER, [recipient.address], message)
    mark = message_from_bytes(message)["Message-ID"]
    return mailclient.wait_for(subject.server, recipient, mark, folder="Spam")


def _verdict(subject: Subject, delivered: bytes) -> str:
    """Return what the server itself says of the mail's DMARC check."""
    values = message_from_bytes(delivered).get_all("Authentication-Results", [])
    texts = [" ".join(value.split()) for value in values]
    own = [text for text in texts if text.startswith(f"{subject.server.name}; dmarc=")]
    assert len(own) == 1, texts
    return own[0].partition("; dmarc=")[2].partition(" header.from")[0]


def _refused(subject: Subject, recipient: Login, message: bytes, *, number: int = 0) -> bytes:
    with (
        pytest.raises(smtplib.SMTPDataError) as refused,
        post.stranger(subject.lab, subject.address, number=number) as client,
    ):
        client.sendmail(world.STRANGER, [recipient.address], message)
    assert refused.value.smtp_code == 550
    error = refused.value.smtp_error
    return error if isinstance(error, bytes) else error.encode()


def test_spoof_of_a_protected_domain_is_refused(subject: Subject, alice: Login) -> None:
    """p=reject: 550, while the client is still there, whichever envelope and HELO it has."""
    assert b"DMARC policy of bank.example" in _refused(subject, alice, _mail(BANK.address, alice))
    below = _mail(f"ceo@mail.{BANK.domain}", alice)
    assert b"DMARC policy" in _refused(subject, alice, below)
    with (
        pytest.raises(smtplib.SMTPDataError, match="DMARC policy"),
        post.stranger(subject.lab, subject.address, helo=BANK.domain) as client,
    ):
        client.sendmail("", [alice.address], _mail(BANK.address, alice))


def test_spoof_of_the_servers_own_domain_is_refused(subject: Subject, alice: Login) -> None:
    """A stranger can't write to Alice as Bob: `instance new` publishes p=reject."""
    assert b"DMARC policy" in _refused(subject, alice, _mail(subject.second.address, alice))


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        (f"From: x@{CLUB.domain}\r\nFrom: {BANK.address}\r\n", b"more than one From"),
        (f"From: x@{CLUB.domain}, {BANK.address}\r\n", b""),
        (f'From: "{BANK.address}" <>\r\n', b"readable domain"),
    ],
)
def test_author_can_not_be_hidden(
    subject: Subject, alice: Login, fields: str, answer: bytes
) -> None:
    """Two authors, of whom one is judged and the other shown, are refused; so is none to judge."""
    body = "Date: Tue, 24 Nov 2026 12:00:00 +0000\r\nSubject: x\r\n\r\nHello\r\n"
    assert answer in _refused(subject, alice, (fields + body).encode("ascii"))


def test_quarantine_is_the_folder_spam(subject: Subject, alice: Login) -> None:
    """p=quarantine: taken, marked, and filed under Spam."""
    delivered = _in_spam(subject, alice, _mail(SHOP.address, alice))
    assert _verdict(subject, delivered) == "fail (p=quarantine dis=none)"
    assert message_from_bytes(delivered)[_MARK] == "quarantine"


@pytest.mark.parametrize(
    ("sender", "verdict"), [(BLOG, "fail (p=none dis=none)"), (CLUB, "none (p=none dis=none)")]
)
def test_without_a_wish_it_is_only_marked(
    subject: Subject, alice: Login, sender: Sender, verdict: str
) -> None:
    """p=none, or no policy: an ordinary mail with a note, and no stranger's mark."""
    forged = f"{_MARK}: quarantine\r\n".encode("ascii")
    delivered = _bring(subject, alice, forged + _mail(sender.address, alice))
    assert _verdict(subject, delivered) == verdict
    assert message_from_bytes(delivered)[_MARK] is None


def test_aligned_signature_passes(subject: Subject, alice: Login) -> None:
    """A forwarder breaks SPF, not the author's signature: the mail is the author's."""
    delivered = _bring(subject, alice, BANK.sign(_mail(BANK.address, alice)))
    assert _verdict(subject, delivered) == "pass (p=reject dis=none)"


def test_aligned_envelope_passes(subject: Subject, alice: Login) -> None:
    """Without a signature the address that SPF names is enough."""
    delivered = _bring(
        subject, alice, _mail(BANK.address, alice), number=BANK.number, envelope=BANK.address
    )
    assert _verdict(subject, delivered) == "pass (p=reject dis=none)"


def test_nothing_is_refused_while_spf_is_unknown(subject: Subject, alice: Login) -> None:
    """An SPF record that leads into a broken domain: put off, since it might have let it pass."""
    name = "lost.example"
    records = {name: f"v=spf1 include:{world.BOGUS} -all", f"_dmarc.{name}": "v=DMARC1; p=reject"}
    zone = "".join(f'{owner}. 300 IN TXT "{text}"\n' for owner, text in records.items())
    subject.lab.publish("lost", zone)
    with (
        pytest.raises(smtplib.SMTPDataError, match="SPF") as put_off,
        post.stranger(subject.lab, subject.address) as client,
    ):
        client.sendmail(f"x@{name}", [alice.address], _mail(f"x@{name}", alice))
    assert put_off.value.smtp_code == 451


def test_signature_of_another_does_not_help(subject: Subject, alice: Login) -> None:
    """DKIM and SPF that hold, but for the spoofer's own domain, prove nothing."""
    spoof = CLUB.sign(_mail(BANK.address, alice))
    assert b"DMARC policy" in _refused(subject, alice, spoof, number=CLUB.number)
    broken = BANK.sign(_mail(BANK.address, alice)).replace(b"A letter", b"A forgery")
    assert b"DMARC policy" in _refused(subject, alice, broken)


def _posted(subject: Subject, alice: Login) -> bytes:
    """Return a post of Alice's as the mailing list gets it."""
    mail = compose(alice.address, [f"list@{LISTS.domain}"], "A post")
    mailclient.submit(subject.server, alice, [f"list@{LISTS.domain}"], bytes(mail))
    return post.wait_for(subject.lab, mail["Message-ID"]).message


def _as_list(message: bytes) -> bytes:
    """Return a post as a mailing list sends it on that changes it."""
    return (
        b"List-Id: <list.lists.example>\r\n"
        + message.replace(b"Subject: ", b"Subject: [list] ")
        + b"-- \r\nTo unsubscribe, write to the list's owner.\r\n"
    )


def test_own_post_comes_back_from_a_list(subject: Subject, alice: Login) -> None:
    """Changed by a list that the instance's data name, and by no other."""
    message = _posted(subject, alice)
    assert b"DMARC policy" in _refused(subject, alice, _as_list(message), number=CLUB.number)
    bounces = f"list-bounces@{LISTS.domain}"
    again = _as_list(_posted(subject, alice))
    assert _bring(subject, alice, again, number=LISTS.number, envelope=bounces)


def test_own_bounce_is_signed(machine: Machine, subject: Subject) -> None:
    """A bounce is ours for whoever gets it, by its signature alone: SPF may break on the way."""
    name = "bounce-test"
    text = f"Subject: {name}\\nFrom: {world.STRANGER}\\n\\nx\\n"
    command = f"printf '{text}' | sudo sendmail -f {world.STRANGER} absent@{world.OUTSIDE.name}"
    ssh(machine, command)
    wanted = re.compile(rb"^Auto-Submitted: auto-replied\r$", re.MULTILINE)
    mail = post.wait_until(
        subject.lab,
        lambda mail: name.encode() in mail.message and bool(wanted.search(mail.message)),
        what="the bounce",
    )
    assert mail.sender == ""
    found = acceptance.signatures(subject.lab, mail.message)
    assert found
    assert all(signature.is_valid and signature.domain == subject.domain for signature in found)


def test_own_vacation_reply_passes(subject: Subject, alice: Login) -> None:
    """What Dovecot answers for Alice is hers by its signature, wherever it is passed on."""
    mail = compose(f"asker-{time.time_ns()}@{LISTS.domain}", [alice.address], "Are you there?")
    envelope = str(mail["From"])
    with filtering(subject, alice, 'require "vacation"; vacation :days 1 "I am away.";'):
        _bring(subject, alice, bytes(mail), number=LISTS.number, envelope=envelope)
        answer = post.wait_until(
            subject.lab, lambda found: envelope in found.recipients, what="the vacation reply"
        )
    assert answer.sender == ""
    found = acceptance.signatures(subject.lab, answer.message)
    assert found
    assert all(signature.is_valid and signature.domain == subject.domain for signature in found)


@pytest.mark.parametrize("method", ["dkim", "spf", "dmarc"])
@pytest.mark.parametrize(
    "value",
    [
        "{host}; {method}=pass header.d={d} header.from={d}",
        "\r\n\t{upper} 1 ;\r\n\t{method} = pass header.from={d}",
        "(a comment (nested)) mail (x) .\r\n (y) example.test (z); {method}=pass header.d={d}",
        '"{host}"; {method}=pass header.d={d}',
        '"ma\\il.example.test"; {method}=pass header.d={d}',
        "{host} {method}=pass header.d={d}",
        "; {host}; {method}=pass header.d={d}",
        "{host}.; {method}=pass header.d={d}",
        '{host}; none; {method}=pass reason="' + "x" * 3000 + '" header.d={d}',
    ],
)
def test_forged_results_go(subject: Subject, alice: Login, method: str, value: str) -> None:
    """A result that a stranger wrote in our name is neither believed nor shown; others' stay."""
    host = subject.server.name
    forged = value.format(host=host, upper=host.upper(), method=method, d=BANK.domain)
    foreign = f"Authentication-Results: mx.other.example; {method}=pass smtp.helo={host}\r\n"
    head = f"Authentication-Results: {forged}\r\nauthentication-results: {forged}\r\n{foreign}"
    spoof = head.encode("ascii") + _mail(BANK.address, alice)
    assert b"DMARC policy" in _refused(subject, alice, spoof)
    harmless = head.encode("ascii") + _mail(CLUB.address, alice)
    delivered = _bring(subject, alice, harmless)
    assert _verdict(subject, delivered).startswith("none")
    values = message_from_bytes(delivered).get_all("Authentication-Results", [])
    assert not any("bank.example" in item for item in values)
    assert sum("mx.other.example" in item for item in values) == 1
    assert sum(item.lstrip().startswith(host) for item in values) == 3


def test_attached_mail_stays_as_it_was(subject: Subject, alice: Login) -> None:
    """What was once checked here comes back as an attachment, and the signature holds."""
    inner = compose(CLUB.address, [alice.address], "Once received")
    inner["Authentication-Results"] = f"{subject.server.name}; dkim=pass header.d={CLUB.domain}"
    outer = compose(BANK.address, [alice.address], "Is this yours?")
    outer.add_attachment(inner)
    delivered = _bring(subject, alice, BANK.sign(bytes(outer)))
    assert _verdict(subject, delivered) == "pass (p=reject dis=none)"
    assert f"{subject.server.name}; dkim=pass header.d={CLUB.domain}".encode() in delivered
