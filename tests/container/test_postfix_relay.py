"""Relay hosts: which mail goes to which, with which login and TLS."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from postolka import acceptance, container, mailclient
from postolka.acceptance import compose
from postolka.lab import post, sink, world
from tests import started
from tests.container.conftest import counters, new_instance, ssh, with_data
from tests.container.outgoing import fate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postolka.acceptance import Subject
    from postolka.lab.post import Mail
    from postolka.machines import Machine
    from tests.container.conftest import Boots

#: Each name is the sink's; the way is seen by the port and the login.
_NAMES = ("all", "sender", "destination", "strict")
_LOGIN = f'user: "{sink.USER}"\n    password: "{sink.PASSWORD}"\n    tls: encrypt'
_DATA = f"""
relays:
  - host: all.relays.example
    {_LOGIN}
  - host: sender.relays.example
    port: 465
    {_LOGIN}
    senders: ["bob@relay.test"]
  - host: destination.relays.example
    port: 25
    tls: may
    destinations: ["partner.example"]
  - host: strict.relays.example
    port: 25
    tls: secure
    destinations: ["strict.example"]
"""


@pytest.fixture(scope="module")
def booted(
    boots: Boots, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Machine, Subject]]:
    """Boot a server that gives all its mail to relay hosts."""
    instance = new_instance(tmp_path_factory.mktemp("relay") / "files", domain="relay.test")
    hosts = (f"{name}.relays.example. 300 IN A {world.SINK.ipv4}\n" for name in _NAMES)
    boots.lab.publish("relays", "".join(hosts))
    machine = container.run(boots.request(instance, user_data=with_data(instance, _DATA)))
    yield machine, acceptance.subject(machine, boots.lab, instance.directory)
    started.drop(machine.name)
    boots.lab.publish("relays", "")


@pytest.fixture
def relayed(booted: tuple[Machine, Subject]) -> Subject:
    """Return that server."""
    return booted[1]


def _send(subject: Subject, login: mailclient.Login, recipient: str) -> str:
    mail = compose(login.address, [recipient], "By relay")
    mailclient.submit(subject.server, login, [recipient], bytes(mail))
    return str(mail["Message-ID"])


def _way(mail: Mail) -> tuple[int, str, bool]:
    return mail.port, mail.login, mail.is_encrypted


@pytest.mark.parametrize("recipient", [world.FRIEND, "somebody@sink.example"])
def test_all_mail_goes_to_the_relay_for_all(relayed: Subject, recipient: str) -> None:
    """With STARTTLS and the login, whatever the recipient's MX says."""
    mail = post.wait_for(relayed.lab, _send(relayed, relayed.first, recipient))
    assert _way(mail) == (587, sink.USER, True)
    assert mail.recipients == (recipient,)


def test_sender_has_a_relay_of_its_own(relayed: Subject) -> None:
    """On 465, with TLS from the first byte."""
    mail = post.wait_for(relayed.lab, _send(relayed, relayed.second, world.FRIEND))
    assert _way(mail) == (465, sink.USER, True)


@pytest.mark.parametrize("number", [0, 1])
def test_destination_counts_more_than_the_sender(relayed: Subject, number: int) -> None:
    """Mail to a named domain goes to its relay, without a login, whoever sends it."""
    login = (relayed.first, relayed.second)[number]
    mail = post.wait_for(relayed.lab, _send(relayed, login, "someone@partner.example"))
    assert (mail.port, mail.login) == (25, "")


def test_relay_without_a_good_certificate_gets_nothing(booted: tuple[Machine, Subject]) -> None:
    """Level secure: a certificate that no authority vouches for puts the mail off."""
    machine, subject = booted
    mark = _send(subject, subject.first, "someone@strict.example")
    text = fate(machine, "someone@strict.example")
    assert "status=deferred" in text
    assert "not verified" in text
    assert not [mail for mail in post.sunk(subject.lab) if mark.encode("ascii") in mail.message]


def test_local_mail_stays(relayed: Subject) -> None:
    """Mail for this server's mailboxes goes to no relay."""
    mark = _send(relayed, relayed.first, relayed.second.address)
    assert mailclient.wait_for(relayed.server, relayed.second, mark)


def test_firewall_lets_out_to_the_relays_alone(booted: tuple[Machine, Subject]) -> None:
    """To the ports that the data name; each was used above."""
    machine, _ = booted
    text = ssh(machine, "sudo nft --json list set inet postolka relay")
    (found,) = (item["set"] for item in json.loads(text)["nftables"] if "set" in item)
    assert sorted(found["elem"]) == [25, 465, 587]
    assert counters(machine)["out.postfix.tcp.relay"]


def test_password_is_for_root_alone(booted: tuple[Machine, Subject]) -> None:
    """It stands in one file, and no other user can read that."""
    machine, _ = booted
    where = ssh(machine, f"sudo grep -rlF '{sink.PASSWORD}' /etc/postfix")
    assert where.split() == ["/etc/postfix/relay_passwords"]
    assert ssh(machine, "stat -c '%U %a' /etc/postfix/relay_passwords").split() == ["root", "600"]
