"""TLS of outgoing mail: DANE where there are TLSA records, MTA-STS behind it."""

from __future__ import annotations

import base64
import time
from typing import TYPE_CHECKING

import pytest

from postolka import acceptance, container, machines, mailclient
from postolka.acceptance import compose
from postolka.lab import mtasts, post, tls, world
from tests.container.conftest import new_instance, ssh, with_data
from tests.container.outgoing import fate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postolka.acceptance import Subject
    from postolka.machines import Machine
    from tests.container.conftest import Boots

#: Domains with TLSA records, and whether these name the sink's key.
_DANE = {
    "dane.example": True,
    "dane-wrong.example": False,
    "sts-dane.example": True,
    "sts-dane-wrong.example": False,
}


def _zone(key: str) -> str:
    lines = []
    for domain in {*_DANE, *mtasts.POLICIES}:
        lines += [
            f"{domain}. 300 IN MX 10 mx.{domain}.",
            f"mx.{domain}. 300 IN A {world.SINK.ipv4}",
        ]
    for domain, is_right in _DANE.items():
        value = key if is_right else "00" * 32
        lines.append(f"_25._tcp.mx.{domain}. 300 IN TLSA 3 1 1 {value}")
    for domain in mtasts.POLICIES:
        lines.append(f'_mta-sts.{domain}. 300 IN TXT "v=STSv1; id=1;"')
        lines.append(f"mta-sts.{domain}. 300 IN A {world.SINK.ipv4}")
    return "".join(f"{line}\n" for line in lines)


@pytest.fixture(scope="module")
def booted(
    boots: Boots, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Machine, Subject]]:
    """Boot a server that trusts the lab's authority."""
    instance = new_instance(tmp_path_factory.mktemp("tls") / "files", domain="tls.test")
    data = f"authorities: [{base64.b64encode(tls.authority()).decode('ascii')}]\n"
    boots.lab.publish("tls", _zone(post.sink_key(boots.lab)))
    machine = container.run(boots.request(instance, user_data=with_data(instance, data)))
    yield machine, acceptance.subject(machine, boots.lab, instance.directory)
    machines.stop(machine.name)
    boots.lab.publish("tls", "")


def _send(booted: tuple[Machine, Subject], domain: str) -> tuple[str, str]:
    """Submit a mail to the domain; return its Message-ID and what became of it."""
    machine, subject = booted
    recipient = f"r{time.monotonic_ns()}@{domain}"
    mail = compose(subject.first.address, [recipient], "By TLS")
    mailclient.submit(subject.server, subject.first, [recipient], bytes(mail))
    return str(mail["Message-ID"]), fate(machine, recipient)


@pytest.mark.parametrize("domain", ["dane.example", "sts-dane.example", "sts.example"])
def test_destination_that_proves_itself_gets_its_mail(
    booted: tuple[Machine, Subject], domain: str
) -> None:
    """By TLSA record, by MTA-STS, or by both: the connection is verified."""
    machine, subject = booted
    mark, line = _send(booted, domain)
    assert "status=sent" in line
    assert post.wait_for(subject.lab, mark).is_encrypted
    log = ssh(machine, "sudo journalctl -u postfix.service -o cat")
    assert f"Verified TLS connection established to mx.{domain}" in log


@pytest.mark.parametrize(
    "domain", ["dane-wrong.example", "sts-other.example", "sts-dane-wrong.example"]
)
def test_destination_that_does_not_is_put_off(booted: tuple[Machine, Subject], domain: str) -> None:
    """A wrong TLSA record, also beside a policy that fits, and a server that no policy names."""
    _, subject = booted
    mark, line = _send(booted, domain)
    assert "status=deferred" in line
    assert not [mail for mail in post.sunk(subject.lab) if mark.encode("ascii") in mail.message]


def test_destination_without_either_gets_what_tls_it_has(booted: tuple[Machine, Subject]) -> None:
    """Opportunistic: encrypted, not verified (RFC 7435)."""
    _, subject = booted
    mark, line = _send(booted, "sink.example")
    assert "status=sent" in line
    assert post.wait_for(subject.lab, mark).is_encrypted


def test_mail_goes_by_ipv4_where_there_is_a_choice(booted: tuple[Machine, Subject]) -> None:
    """An IPv6 address may have no reverse name, and large receivers refuse such."""
    _, subject = booted
    for _ in range(3):
        mark, _ = _send(booted, "sink.example")
        assert ":" not in post.wait_for(subject.lab, mark).client


@pytest.mark.parametrize("unit", ["postfix-mta-sts-resolver", "postolka-tlspolicy"])
def test_mail_waits_while_nobody_knows_the_policy(
    booted: tuple[Machine, Subject], unit: str
) -> None:
    """No mail leaves unchecked because a service is away; it leaves once it is back."""
    machine, subject = booted
    ssh(machine, f"sudo systemctl stop {unit}.service")
    try:
        mark, line = _send(booted, "sts-dane-wrong.example")
        assert "status=deferred" in line
        later, line = _send(booted, "sts.example")
        assert "status=deferred" in line
    finally:
        ssh(machine, f"sudo systemctl start {unit}.service")
    ssh(machine, "sudo postqueue -f")
    assert post.wait_for(subject.lab, later)
    assert not [mail for mail in post.sunk(subject.lab) if mark.encode("ascii") in mail.message]
