"""A server with IPv4 alone, with IPv6 alone, and with both."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from postolka import acceptance, container, mailclient
from postolka.lab import post
from tests import started
from tests.container.conftest import new_instance, ssh

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postolka.acceptance import Subject
    from postolka.machines import Machine
    from tests.container.conftest import Boots

_ADDRESSES = {
    "v4": ("203.0.113.40",),
    "v6": ("2001:db8:1::40",),
    "both": ("203.0.113.41", "2001:db8:1::41"),
}


# A machine each; that of the other tests has both families.
pytestmark = pytest.mark.soak


@pytest.fixture(scope="module", params=_ADDRESSES)
def booted(
    boots: Boots, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Machine, Subject, tuple[str, ...]]]:
    """Boot a server with the addresses of one kind of network."""
    addresses = _ADDRESSES[request.param]
    directory = tmp_path_factory.mktemp("networks") / "files"
    made = new_instance(directory, f"{request.param}.test", addresses=addresses)
    machine = container.run(boots.request(made))
    try:
        yield machine, acceptance.subject(machine, boots.lab, directory), addresses
    finally:
        started.drop(machine.name)


def test_machine_has_the_networks_addresses_only(
    booted: tuple[Machine, Subject, tuple[str, ...]],
) -> None:
    """What the lab announces for it, and nothing of the other family."""
    machine, _, addresses = booted
    links = json.loads(ssh(machine, "ip -json address show scope global"))
    # Without the others' fields ip(8) leaves empty objects.
    found = [item["local"] for link in links for item in link.get("addr_info", []) if item]
    assert sorted(found) == sorted(addresses)


def test_mail_comes_in_and_goes_out(booted: tuple[Machine, Subject, tuple[str, ...]]) -> None:
    """From and to a server that has both."""
    _, subject, _ = booted
    assert acceptance.receive(subject)
    assert acceptance.send(subject)


def test_stranger_is_heard_on_each_address(
    booted: tuple[Machine, Subject, tuple[str, ...]],
) -> None:
    """On each address that its DNS names."""
    _, subject, addresses = booted
    for address in addresses:
        mail = acceptance.compose("somebody@stranger.example", [subject.first.address], address)
        with post.stranger(subject.lab, address) as client:
            client.sendmail("somebody@stranger.example", [subject.first.address], bytes(mail))
        assert mailclient.wait_for(subject.server, subject.first, mail["Message-ID"])


def test_mail_leaves_from_the_servers_own_address(
    booted: tuple[Machine, Subject, tuple[str, ...]],
) -> None:
    """By IPv4 where it has one: many refuse an IPv6 address that has no reverse name."""
    _, subject, addresses = booted
    subject.lab.unname(*(address for address in addresses if ":" in address))
    try:
        to = "somebody@sink.example"
        mail = acceptance.compose(subject.first.address, [to], "To the sink")
        mailclient.submit(subject.server, subject.first, [to], bytes(mail))
        assert post.wait_for(subject.lab, mail["Message-ID"]).client == addresses[0]
    finally:
        subject.lab.unname()
