"""A server of two domains whose DKIM keys are replaced: signatures hold all the way through."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from postolka import acceptance, cli, container, identity, machines, mailclient
from postolka.acceptance import compose
from postolka.instance import dkim, dns, editing
from postolka.instance.model import ROLES
from postolka.instance.parse import parse
from postolka.lab import post, world
from postolka.mailclient import Login
from pyinfra_deploys import server
from pyinfra_deploys.settings import Settings
from tests import started
from tests.container.conftest import Instance

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from postolka.acceptance import Subject
    from postolka.lab.client import Lab
    from postolka.machines import Machine
    from tests.container.conftest import Boots

_FIRST, _SECOND = "two.test", "second.test"
_ALGORITHMS = {"rsa-sha256", "ed25519-sha256"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Two:
    """A running server of two domains, with the second keys published, and what it keeps."""

    instance: Instance
    state: Path
    machine: Machine
    subject: Subject
    admin: Login
    carol: Login
    """Of the second domain."""


def _make(directory: Path) -> None:
    """Write the files of an instance with two domains."""
    request = identity.Request(domain=_FIRST, hostname=f"mail.{_FIRST}", accounts=("alice", "bob"))
    ports = server.ports(Settings())
    made = identity.make(request, serial=editing.new_serial(), ports=ports)
    keys = "".join(
        f"      - {{selector: {key['selector']}, algorithm: {key['algorithm']},"
        f" private_key: {key['private_key']}}}\n"
        for key in dkim.new_keys()
    )
    password = made.user_data.split(b'password_hash: "')[2].split(b'"')[0].decode()
    carol = f'  - {{address: carol@{_SECOND}, password_hash: "{password}"}}\n'
    text = made.user_data.decode()
    for before, more in (
        ("domains:\n", f"  {_SECOND}:\n    dkim:\n{keys}"),
        ("accounts:\n", carol),
    ):
        assert text.count(f"\n{before}") == 1
        text = text.replace(f"\n{before}", f"\n{before}{more}")
    data = text.encode()
    identity.write(replace(made, user_data=data, zone=dns.zone(parse(data), ports)), directory)


@pytest.fixture(scope="module")
def two(boots: Boots, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    """Boot it with data in which the next keys are published already."""
    place = tmp_path_factory.mktemp("two")
    instance = Instance(directory=place / "files")
    _make(instance.directory)
    _rotate(instance)
    machine = container.run(boots.request(instance, place / "state"))
    try:
        credentials = json.loads((instance.directory / "credentials.json").read_text())
        subject = acceptance.subject(machine, boots.lab, instance.directory)
        yield Two(
            instance=instance,
            state=place / "state",
            machine=machine,
            subject=subject,
            admin=Login(**credentials["admin"]),
            carol=Login(address=f"carol@{_SECOND}", password=subject.first.password),
        )
    finally:
        if machine.name in {running.name for running in machines.running()}:
            started.drop(machine.name)


def _rotate(instance: Instance) -> None:
    assert cli.main(["instance", "rotate-dkim", str(instance.directory / "user-data")]) == 0


def _selectors(instance: Instance, role: str) -> set[str]:
    domains = parse(instance.user_data).domains
    return {key.selector for domain in domains for key in domain.dkim if key.role == role}


def _send(subject: Subject, login: Login) -> bytes:
    mail = compose(login.address, [world.FRIEND], "A mail to outside")
    mailclient.submit(subject.server, login, [world.FRIEND], bytes(mail))
    return post.wait_for(subject.lab, mail["Message-ID"]).message


def _signed_by(lab: Lab, message: bytes, domain: str) -> set[str]:
    """Return the selectors; each signature holds, and there is one of each algorithm."""
    found = acceptance.signatures(lab, message)
    assert all(signature.is_valid and signature.domain == domain for signature in found)
    assert {signature.algorithm for signature in found} == _ALGORITHMS
    return {signature.selector for signature in found}


@pytest.mark.parametrize("domain", [_FIRST, _SECOND, f"mail.{_FIRST}"])
@pytest.mark.parametrize("role", ROLES)
def test_roles_reach_the_admin(two: Two, domain: str, role: str) -> None:
    """Postmaster and its like of every domain (RFC 2142), and of the host, are somebody."""
    mail = compose(world.STRANGER, [f"{role}@{domain}"], "To a role")
    with post.stranger(two.subject.lab, two.subject.address) as client:
        client.sendmail(world.STRANGER, [f"{role}@{domain}"], bytes(mail))
    assert mailclient.wait_for(two.subject.server, two.admin, mail["Message-ID"])


def test_keys_are_replaced_without_a_failing_signature(two: Two, boots: Boots) -> None:
    """Both selectors are published before and after the change; the old one until removed."""
    lab, instance = boots.lab, two.instance
    logins = {_FIRST: two.subject.first, _SECOND: two.carol}
    before = {domain: _send(two.subject, login) for domain, login in logins.items()}
    old = _selectors(instance, "active")
    coming = _selectors(instance, "next")
    for domain, message in before.items():
        assert _signed_by(lab, message, domain) <= old
    machines.stop(two.machine.name)
    _rotate(instance)
    assert _selectors(instance, "active") == coming
    machine = container.run(boots.request(instance, two.state))
    try:
        subject = acceptance.subject(machine, lab, instance.directory)
        for domain, login in logins.items():
            assert _signed_by(lab, _send(subject, login), domain) <= coming
            assert _signed_by(lab, before[domain], domain) <= old
    finally:
        started.drop(machine.name)
    _rotate(instance)
    assert _selectors(instance, "active") == coming
    lab.publish("two", instance.zone)
    for message in before.values():
        assert not any(item.is_valid for item in acceptance.signatures(lab, message))
