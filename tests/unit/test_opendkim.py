"""The configuration of the signing and verifying milters."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyinfra_deploys import opendkim
from pyinfra_deploys.room import ports, read, units
from pyinfra_deploys.sections import OpendkimSettings
from pyinfra_deploys.settings import Settings
from tests.unit import golden

_BAKED = (
    "/etc/opendkim.conf",
    "/etc/opendkim-ed25519.conf",
    "/usr/lib/systemd/system/opendkim-ed25519.service",
)


@pytest.mark.parametrize("path", _BAKED)
def test_configuration_is_golden(path: str) -> None:
    """The milters' configuration is the one that was read and tried."""
    golden.check("opendkim", path, golden.baked(opendkim)[path])


@pytest.mark.parametrize(
    "name", ["KeyTable", "KeyTable.ed25519", "SigningTable", "SigningTable.ed25519"]
)
def test_tables_are_golden(name: str) -> None:
    """Each table is the one that was read and tried."""
    path = f"/etc/dkimkeys/{name}"
    golden.check("opendkim", path, golden.rendered(opendkim)[path])


def test_the_hosts_own_mail_is_signed_by_its_domain() -> None:
    """What cron sends from the host name is signed with the key of the domain that holds it."""
    text = golden.rendered(opendkim)["/etc/dkimkeys/SigningTable"]
    assert "\n*@mail.example.test r1._domainkey.example.test\n" in text


def test_second_signature_can_be_switched_off() -> None:
    """opendkim.ed25519 off: no second unit, no second port."""
    settings = replace(Settings(), opendkim=OpendkimSettings(ed25519=False))
    room = [read(opendkim)]
    assert [unit.name for unit in units(room, settings)] == ["opendkim.service"]
    assert [port.number for port in ports(room, settings)] == [8891]


def test_no_port_is_public() -> None:
    """The milters are for Postfix, on loopback."""
    assert not any(port.is_public for port in opendkim.PORTS)
