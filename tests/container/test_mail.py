"""Mail over the wire: in from outside, out with signatures, and what is refused."""

from __future__ import annotations

import imaplib
import smtplib
import ssl
import time
from email import message_from_bytes, policy
from typing import TYPE_CHECKING

import pytest

from postolka import acceptance, mailclient, namespace
from postolka.acceptance import compose
from postolka.lab import post, world

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from postolka.acceptance import Subject
    from postolka.lab.client import Lab
    from postolka.mailclient import Login

_TEXT = "Příliš žluťoučký kůň úpěl ďábelské ódy."


def unverified() -> ssl.SSLContext:
    """Return a context that takes any certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _body(message: bytes) -> bytes:
    """Return what follows the header, which is all that no hop may change."""
    return message.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_stranger_without_a_name_is_heard(subject: Subject, alice: Login, number: int) -> None:
    """Neither a client's missing PTR nor its odd HELO is a reason to refuse (RFC 5321, 4.1.4)."""
    helo = ("stranger.example", "localhost", "[198.51.100.102]")[number]
    mail = compose(world.STRANGER, [alice.address], "From nowhere")
    with post.stranger(subject.lab, subject.address, number=number, helo=helo) as client:
        client.sendmail(world.STRANGER, [alice.address], bytes(mail))
    assert mailclient.wait_for(subject.server, alice, mail["Message-ID"])


def test_unknown_recipient_is_refused_at_rcpt(subject: Subject) -> None:
    """550 while the client is still there: no bounce to a forged sender."""
    with post.stranger(subject.lab, subject.address) as client:
        client.mail(world.STRANGER)
        assert client.rcpt(f"nobody@{subject.domain}")[0] == 550


@pytest.mark.parametrize("recipient", ["friend@outside.example", "x%outside.example@example.test"])
def test_stranger_can_not_relay(subject: Subject, recipient: str) -> None:
    """Mail for elsewhere is refused for good, in every notation."""
    with post.stranger(subject.lab, subject.address) as client:
        client.mail(world.STRANGER)
        assert client.rcpt(recipient)[0] // 100 == 5


def test_port_25_has_no_login(subject: Subject) -> None:
    """No AUTH on 25, with TLS or without."""
    with post.stranger(subject.lab, subject.address) as client:
        assert not client.has_extn("auth")
        client.starttls(context=unverified())
        client.ehlo()
        assert not client.has_extn("auth")
        assert client.docmd("AUTH", "PLAIN AGEAYg==")[0] // 100 == 5


def test_no_clear_text_login_on_587(subject: Subject, alice: Login) -> None:
    """Neither AUTH nor mail before STARTTLS (RFC 8314)."""
    there = (subject.server.host, subject.server.ports[587])
    with smtplib.SMTP(*there, timeout=60) as client:
        client.ehlo()
        assert not client.has_extn("auth")
        assert client.docmd("AUTH", "PLAIN AGEAYg==")[0] // 100 == 5
        assert client.mail(alice.address)[0] == 530


def test_no_clear_text_login_on_143(subject: Subject, alice: Login) -> None:
    """LOGINDISABLED and a refusal before STARTTLS (RFC 9051, 11.1)."""
    there = (subject.server.host, subject.server.ports[143])
    client = imaplib.IMAP4(*there, timeout=60)
    try:
        assert "LOGINDISABLED" in client.capabilities
        with pytest.raises(imaplib.IMAP4.error):
            client.login(alice.address, alice.password)
    finally:
        client.shutdown()


@pytest.mark.parametrize("port", [465, 587])
def test_submitted_mail_is_signed_with_each_key(subject: Subject, port: int) -> None:
    """RSA and Ed25519, both verified by dkimpy against the lab's signed DNS."""
    _, outside = acceptance.send(subject, port=port)
    found = acceptance.signatures(subject.lab, outside)
    assert all(signature.is_valid for signature in found)
    assert {s.algorithm for s in found if s.domain == subject.domain} == {
        "rsa-sha256",
        "ed25519-sha256",
    }


def test_changed_mail_fails_each_signature(subject: Subject) -> None:
    """A signature that would fit any text proves nothing."""
    _, outside = acceptance.send(subject)
    forged = outside.replace(b"Subject: A mail", b"Subject: No mail")
    assert forged != outside
    found = acceptance.signatures(subject.lab, forged)
    assert found
    assert not any(signature.is_valid for signature in found)


def test_sender_must_be_the_logins_own(subject: Subject, alice: Login, bob: Login) -> None:
    """553 for another's address, at home or elsewhere."""
    there = (subject.server.host, subject.server.ports[587])
    for sender in (bob.address, "boss@outside.example"):
        with smtplib.SMTP(*there, timeout=60) as client:
            client.starttls(context=unverified())
            client.login(alice.address, alice.password)
            client.mail(sender)
            assert client.rcpt(bob.address)[0] == 553


def test_alias_of_the_login_may_send(subject: Subject, lab: Lab) -> None:
    """The admin's roles are addresses of the admin."""
    mail = compose(world.STRANGER, [f"postmaster@{subject.domain}"], "To a role")
    with post.stranger(lab, subject.address) as client:
        assert client.sendmail(world.STRANGER, [f"postmaster@{subject.domain}"], bytes(mail)) == {}


def test_clients_address_is_hidden(subject: Subject) -> None:
    """Where a user sits stands in no header that leaves the server."""
    _, outside = acceptance.send(subject)
    head = outside.partition(b"\r\n\r\n")[0]
    router = world.SERVERS_V4.rpartition(".")[0].encode("ascii") + b".1"
    assert router + b"]" not in head
    assert b"127.0.0.1" not in head


def test_sixty_connections_a_minute_from_one_address(subject: Subject, alice: Login) -> None:
    """A household or an office behind one address isn't locked out."""
    for _ in range(60):
        with mailclient.inbox(subject.server, alice):
            pass
    there = (subject.server.host, subject.server.ports[587])
    for _ in range(60):
        with smtplib.SMTP(*there, timeout=60) as client:
            assert client.noop()[0] == 250


@pytest.mark.parametrize("port", [143, 993])
def test_inbox_opens_on_both_ports(subject: Subject, alice: Login, port: int) -> None:
    """STARTTLS and implicit TLS show the key that TLSA names."""
    with mailclient.inbox(subject.server, alice, port=port) as client:
        assert client.state == "SELECTED"


def test_wrong_password_opens_nothing(subject: Subject, alice: Login) -> None:
    """Not even an empty one."""
    for password in ("", "wrong"):
        login = mailclient.Login(address=alice.address, password=password)
        with (
            pytest.raises(imaplib.IMAP4.error),
            mailclient.inbox(subject.server, login),
        ):
            pass


def test_server_greets_with_its_own_name(subject: Subject) -> None:
    """The banner's name is the host's: what its PTR and its TLSA records say."""
    with subject.lab.connect(subject.address, 25) as client:
        client.settimeout(30)
        lines = client.makefile("rb")
        # The first line of two, for whom the server doesn't know yet.
        while (line := lines.readline()).startswith(b"220-"):
            assert line.startswith(f"220-{subject.server.name} ".encode("ascii"))
        assert line.startswith(f"220 {subject.server.name} ".encode("ascii"))


def _nested() -> bytes:
    mail = compose(world.STRANGER, ["x@example.test"], "Věc: 二 🐦 " + "dlouhý předmět " * 8)
    mail.add_alternative(f"<p>{_TEXT}</p>", subtype="html")
    mail.add_attachment(bytes(range(256)) * 10, maintype="image", subtype="png", filename="kůň.png")
    outer = compose(world.STRANGER, ["x@example.test"], "Nested")
    outer.add_attachment(mail)
    outer.add_attachment(bytes(outer), maintype="application", subtype="octet-stream")
    return outer.as_bytes(policy=policy.SMTP)


def _eight_bit() -> bytes:
    head = b"From: somebody@stranger.example\r\nMIME-Version: 1.0\r\n"
    head += b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    return head + _TEXT.encode() * 10 + b"\r\n.dot\r\n..two dots\r\nFrom the start\r\n"


def _long_lines() -> bytes:
    head = b"From: somebody@stranger.example\r\nReferences: " + b"<a@b>\r\n " * 300 + b"<c@d>\r\n"
    return head + b"\r\n" + b"x" * 990 + b"\r\n" + b"word " * 190 + b"\r\n"


def _large() -> bytes:
    mail = compose(world.STRANGER, ["x@example.test"], "20 MiB")
    noise = b"".join(i.to_bytes(4, "big") for i in range(5 << 20))
    mail.add_attachment(noise, maintype="application", subtype="octet-stream", filename="a.bin")
    return mail.as_bytes(policy=policy.SMTP)


@pytest.mark.parametrize("make", [_nested, _eight_bit, _long_lines, _large])
def test_real_mime_arrives_intact(
    subject: Subject, alice: Login, make: Callable[[], bytes]
) -> None:
    """Whatever a mail is made of, its body and its header fields arrive as they were sent."""
    mark = f"<{time.time_ns()}@stranger.example>"
    sent = make()
    if b"\nMessage-ID:" in sent:
        own = message_from_bytes(sent)["Message-ID"]
        sent = sent.replace(own.encode("ascii"), mark.encode("ascii"))
    else:
        sent = f"Message-ID: {mark}\r\n".encode("ascii") + sent
    with post.stranger(subject.lab, subject.address) as client:
        client.sendmail(world.STRANGER, [alice.address], sent, ["BODY=8BITMIME"])
    got = mailclient.wait_for(subject.server, alice, mark)
    assert _body(got) == _body(sent)
    parsed, expected = message_from_bytes(got), message_from_bytes(sent)
    for name in expected:
        assert parsed.get_all(name) == expected.get_all(name)


def test_each_mailbox_has_its_mail_only(subject: Subject, alice: Login, bob: Login) -> None:
    """What is for one isn't in the other's inbox."""
    mail = compose(world.STRANGER, [bob.address], "For Bob")
    with post.stranger(subject.lab, subject.address) as client:
        client.sendmail(world.STRANGER, [bob.address], bytes(mail))
    assert mailclient.wait_for(subject.server, bob, mail["Message-ID"])
    assert mailclient.read(subject.server, alice, mail["Message-ID"]) is None


def test_more_than_the_limit_is_refused_at_once(subject: Subject, alice: Login) -> None:
    """A mail of more than 50 MiB is refused at MAIL, before it is sent."""
    with post.stranger(subject.lab, subject.address) as client:
        code, _ = client.mail(world.STRANGER, ["SIZE=60000000"])
        assert code == 552
        assert client.mail(world.STRANGER, ["SIZE=50000000"])[0] == 250
        assert client.rcpt(alice.address)[0] == 250


def test_only_named_ports_answer(subject: Subject) -> None:
    """From a neighbour nothing but the rooms' public ports is to be seen."""
    for port in (53, 110, 111, 953, 3306, 8891, 10025):
        with pytest.raises(OSError, match=r"."):
            _knock(subject, port)


def _knock(subject: Subject, port: int) -> socket.socket:
    return namespace.connect(subject.lab.strangers, subject.address, port, timeout_seconds=0.5)
