"""TLS of outgoing mail: DANE where there are TLSA records, MTA-STS behind it."""

from __future__ import annotations

import base64
import itertools
from typing import TYPE_CHECKING

import pytest

from postolka import acceptance, container, mailclient
from postolka.acceptance import compose
from postolka.lab import mtasts, post, tls, world
from tests import started
from tests.container.conftest import JOURNAL, new_instance, ssh, stopped, with_data
from tests.container.outgoing import fate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postolka.acceptance import Subject
    from postolka.machines import Machine
    from tests.container.conftest import Boots

#: Domains with TLSA records: `{}` is the hash of the sink's key.
_TLSA = {
    "dane.example": "3 1 1 {}",
    "dane-wrong.example": "3 1 1 " + "00" * 32,
    "dane-unusable.example": "0 1 1 {}",
    "sts-dane.example": "3 1 1 {}",
    "sts-dane-half.example": "3 1 1 {}",
    "sts-dane-wrong.example": "3 1 1 " + "00" * 32,
    "sts-dane-unusable.example": "0 1 1 {}",
}
_numbers = itertools.count()
#: Makes each policy an hour older.
_AGE = (
    'import sqlite3; base = sqlite3.connect("/var/lib/mta-sts/cache.db"); '
    'base.execute("update sts_policy_cache set ts = ts - 3600"); base.commit()'
)


def _zone(key: str) -> str:
    lines = []
    for domain in {*_TLSA, *mtasts.POLICIES}:
        lines += [
            f"{domain}. 300 IN MX 10 mx.{domain}.",
            f"mx.{domain}. 300 IN A {world.SINK.ipv4}",
        ]
    for domain, value in _TLSA.items():
        lines.append(f"_25._tcp.mx.{domain}. 300 IN TLSA {value.format(key)}")
    # Its second server's address can't be had.
    lines.append(f"sts-dane-half.example. 300 IN MX 20 {world.BOGUS}.")
    for domain in mtasts.POLICIES:
        lines += _policy(domain, "1", world.SINK.ipv4)
    return "".join(f"{line}\n" for line in lines)


def _policy(domain: str, number: str, address: str) -> list[str]:
    return [
        f'_mta-sts.{domain}. 300 IN TXT "v=STSv1; id={number};"',
        f"mta-sts.{domain}. 300 IN A {address}",
    ]


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
    started.drop(machine.name)
    boots.lab.publish("tls", "")


def _send(booted: tuple[Machine, Subject], domain: str) -> tuple[str, str]:
    """Submit a mail to the domain; return its Message-ID and what became of it."""
    machine, subject = booted
    recipient = f"r{next(_numbers)}@{domain}"
    mail = compose(subject.first.address, [recipient], "By TLS")
    mailclient.submit(subject.server, subject.first, [recipient], bytes(mail))
    return str(mail["Message-ID"]), fate(machine, recipient)


def _has_arrived(subject: Subject, mark: str) -> bool:
    return any(mark.encode("ascii") in mail.message for mail in post.sunk(subject.lab))


def _trust(machine: Machine, domain: str) -> set[str]:
    """Return what Postfix thinks of the connections to the domain's server."""
    log = ssh(
        machine, f"{JOURNAL} -u postfix.service | grep 'connection established to mx.{domain}'"
    )
    return {line.split(" TLS connection")[0].split()[-1] for line in log.splitlines()}


def _trust_of_delivery(booted: tuple[Machine, Subject], domain: str) -> set[str]:
    """Have a mail leave, encrypted; return what Postfix thinks of the connections."""
    machine, subject = booted
    mark, line = _send(booted, domain)
    assert "status=sent" in line
    assert post.wait_for(subject.lab, mark).is_encrypted
    return _trust(machine, domain)


@pytest.mark.parametrize(
    "domain",
    [
        "dane.example",
        "sts.example",
        "sts-wildcard.example",
        "sts-dane.example",
        "sts-dane-half.example",
        "sts-dane-unusable.example",
    ],
)
def test_destination_that_proves_itself_gets_its_mail(
    booted: tuple[Machine, Subject], domain: str
) -> None:
    """By TLSA record, by MTA-STS, or by both: the connection is verified."""
    assert _trust_of_delivery(booted, domain) == {"Verified"}


@pytest.mark.parametrize(
    "domain",
    ["dane-wrong.example", "sts-other.example", "sts-mx.example", "sts-dane-wrong.example"],
)
def test_destination_that_does_not_is_put_off(booted: tuple[Machine, Subject], domain: str) -> None:
    """A wrong TLSA record, also beside a policy that fits; a server that isn't the policy's.

    And one that is, but whose certificate is another's.
    """
    _, subject = booted
    mark, line = _send(booted, domain)
    assert "status=deferred" in line
    assert "not verified" in line
    assert not _has_arrived(subject, mark)


@pytest.mark.parametrize("domain", ["sink.example", "sts-testing.example", "dane-unusable.example"])
def test_destination_that_need_not_gets_what_tls_it_has(
    booted: tuple[Machine, Subject], domain: str
) -> None:
    """No policy, one in mode testing, TLSA records of no use: encrypted, not verified."""
    assert "Verified" not in _trust_of_delivery(booted, domain)


def test_policy_that_cannot_be_fetched_is_in_the_log(booted: tuple[Machine, Subject]) -> None:
    """A first fetch that fails leaves no policy (RFC 8461, 5.1), which the operator can see."""
    machine, _ = booted
    _, line = _send(booted, "sts-web.example")
    assert "status=sent" in line
    log = ssh(machine, f"{JOURNAL} -u postfix-mta-sts-resolver.service")
    assert "STS policy fetch for domain 'sts-web.example' failed with error" in log


def test_known_policy_holds_while_its_host_is_away(
    boots: Boots, booted: tuple[Machine, Subject]
) -> None:
    """Also after a restart, and against who names a server of his own meanwhile."""
    machine, subject = booted
    domain = "sts-away.example"
    _, line = _send(booted, domain)
    assert "status=sent" in line
    # Nobody has the web server's new address; the new id says that there is a new policy.
    new = "\n".join(_policy(domain, "2", world.stranger(99).ipv4))
    old = "\n".join(_policy(domain, "1", world.SINK.ipv4))
    zone = _zone(post.sink_key(boots.lab))
    assert old in zone
    moved = zone.replace(old, new).replace(f"10 mx.{domain}.", f"10 {world.OUTSIDE.name}.")
    boots.lab.publish("tls", moved)
    try:
        # A policy is looked for again after a minute at the earliest.
        ssh(machine, "sudo systemctl stop postfix-mta-sts-resolver.service")
        ssh(machine, f"sudo python3 -c '{_AGE}'")
        ssh(machine, "sudo systemctl start postfix-mta-sts-resolver.service; sudo rndc flush")
        mark, line = _send(booted, domain)
        assert "status=deferred" in line
        # It was found, its certificate seen, and nothing said to it.
        assert f"{world.OUTSIDE.name}[" in line
        log = ssh(machine, f"{JOURNAL} -u postfix.service | grep {world.OUTSIDE.name}")
        assert f"Untrusted TLS connection established to {world.OUTSIDE.name}" in log
        log = ssh(machine, f"{JOURNAL} -u postfix-mta-sts-resolver.service")
        assert f"STS policy fetch for domain '{domain}' failed with error" in log
    finally:
        boots.lab.publish("tls", zone)
    ssh(machine, "sudo rndc flush; sudo postqueue -f")
    assert post.wait_for(subject.lab, mark).is_encrypted


@pytest.mark.parametrize("unit", ["postfix-mta-sts-resolver", "postolka-tlspolicy"])
def test_mail_waits_while_nobody_knows_the_policy(
    booted: tuple[Machine, Subject], unit: str
) -> None:
    """No mail leaves unchecked because a service is away; it leaves once it is back.

    What stays within the server doesn't need it.
    """
    machine, subject = booted
    with stopped(machine, f"{unit}.service"):
        mark, line = _send(booted, "sts-dane-wrong.example")
        assert "status=deferred" in line
        later, line = _send(booted, "dane.example")
        assert "status=deferred" in line
        mail = compose(subject.first.address, [subject.second.address], "Within the server")
        mailclient.submit(subject.server, subject.first, [subject.second.address], bytes(mail))
        assert mailclient.wait_for(subject.server, subject.second, str(mail["Message-ID"]))
    ssh(machine, "sudo postqueue -f")
    assert post.wait_for(subject.lab, later)
    assert not _has_arrived(subject, mark)
