"""Mail that an alias sends on to the outside: it passes SPF there, and bounces find back."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

import pytest

from postolka import mailclient
from postolka.acceptance import compose
from postolka.lab import post, world
from tests.container.conftest import ssh

if TYPE_CHECKING:
    from postolka.acceptance import Subject
    from postolka.lab.post import Mail
    from postolka.machines import Machine

_TARGET = "target@sink.example"
_SRS = re.compile(r"SRS0=[^=@]+=[^=@]+=stranger\.example=somebody@", re.IGNORECASE)


@pytest.fixture
def forward(subject: Subject, machine: Machine) -> str:
    """Return an alias for the second mailbox and for somebody outside."""
    address = f"forward@{subject.domain}"
    goto = f"{subject.second.address},{_TARGET}"
    values = f"'{address}', '{goto}', '{subject.domain}', 1"
    query = f"REPLACE INTO alias (address, goto, domain, active) VALUES ({values})"  # noqa: S608 - ours
    ssh(machine, f'sudo mariadb postfixadmin -e "{query}"')
    return address


def _forwarded(subject: Subject, forward: str) -> tuple[Mail, str]:
    """Send a mail to the alias; return it as it went on to the outside, and its Message-ID."""
    mail = compose(world.STRANGER, [forward], "Please forward")
    with post.stranger(subject.lab, subject.address) as client:
        client.sendmail(world.STRANGER, [forward], bytes(mail))
    return post.wait_for(subject.lab, mail["Message-ID"]), mail["Message-ID"]


def _passes_spf(subject: Subject, mail: Mail) -> bool:
    """Whether the sender's domain lets the client send (RFC 7208), by `mx`, `a` and addresses."""
    domain = mail.sender.rpartition("@")[2]
    records = [text.decode("ascii") for text in subject.lab.lookup(domain, "TXT")]
    terms = next(text for text in records if text.startswith("v=spf1 ")).split()[1:]
    assert terms[-1] == "-all"
    client = ipaddress.ip_address(mail.client)
    kind = "A" if client.version == 4 else "AAAA"
    hosts = {"a": [domain], "mx": [name.decode() for name in subject.lab.lookup(domain, "MX")]}
    for term in terms[:-1]:
        if term in hosts:
            names = [name.split()[-1].rstrip(".") for name in hosts[term]]
            found = [item for name in names for item in subject.lab.lookup(name, kind)]
            if mail.client.encode("ascii") in found:
                return True
        elif term.startswith(("ip4:", "ip6:")):
            network = ipaddress.ip_network(term.partition(":")[2])
            if client.version == network.version and client in network:
                return True
    return False


def test_forwarded_mail_passes_spf(subject: Subject, forward: str) -> None:
    """Its sender is this server's, stands for the stranger, and its text is as it was."""
    mail, _ = _forwarded(subject, forward)
    assert _SRS.match(mail.sender), mail.sender
    assert mail.sender.endswith(f"@{subject.domain}")
    assert _passes_spf(subject, mail)
    assert f"From: {world.STRANGER}".encode("ascii") in mail.message


def test_forwarded_mail_goes_on_once(subject: Subject, forward: str) -> None:
    """One copy to each of the alias's targets."""
    _, mark = _forwarded(subject, forward)
    assert mailclient.wait_for(subject.server, subject.second, mark)
    with mailclient.inbox(subject.server, subject.second) as client:
        _, found = client.search(None, "HEADER", "Message-ID", f'"{mark}"')
    assert len(found[0].split()) == 1
    outside = [mail for mail in post.sunk(subject.lab) if mark.encode("ascii") in mail.message]
    assert [mail.recipients for mail in outside] == [(_TARGET,)]


def test_mailbox_keeps_the_strangers_address(subject: Subject, forward: str) -> None:
    """What is delivered here has its own Return-Path: only what leaves is rewritten."""
    _, mark = _forwarded(subject, forward)
    inside = mailclient.wait_for(subject.server, subject.second, mark)
    assert f"Return-Path: <{world.STRANGER}>".encode("ascii") in inside


def test_bounce_comes_back_to_the_stranger(subject: Subject, forward: str) -> None:
    """A bounce of the outside, to the sender that it saw, reaches who sent the mail."""
    mail, _ = _forwarded(subject, forward)
    bounce = compose("mailer-daemon@outside.example", [mail.sender], "Undeliverable")
    with post.stranger(subject.lab, subject.address) as client:
        client.sendmail("", [mail.sender], bytes(bounce))
    back = post.wait_for(subject.lab, bounce["Message-ID"])
    assert (back.sender, back.recipients) == ("", (world.STRANGER,))


def test_forged_return_address_is_refused(subject: Subject) -> None:
    """Nobody but this server makes such addresses: it is no relay for who guesses one."""
    forged = f"SRS0=aaaa=zz=victim.example=someone@{subject.domain}"
    with post.stranger(subject.lab, subject.address) as client:
        client.mail("")
        assert client.rcpt(forged)[0] == 550


def test_own_mail_keeps_its_sender(subject: Subject) -> None:
    """A user's mail leaves under the user's own address, also through an alias."""
    mail = compose(subject.first.address, [_TARGET], "Mine")
    mailclient.submit(subject.server, subject.first, [_TARGET], bytes(mail))
    assert post.wait_for(subject.lab, mail["Message-ID"]).sender == subject.first.address
