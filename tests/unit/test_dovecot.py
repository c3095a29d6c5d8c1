"""The IMAP server's configuration."""

from __future__ import annotations

import re
from dataclasses import replace

from pyinfra_deploys import dovecot
from pyinfra_deploys.room import ports, read
from pyinfra_deploys.settings import DovecotSettings, Settings
from tests.unit import golden

_PATH = "/etc/dovecot/dovecot.conf"


def _with(settings: DovecotSettings) -> Settings:
    return replace(Settings(), dovecot=settings)


def test_configuration_is_golden() -> None:
    """The server's configuration is the one that was read and tried."""
    golden.check("dovecot", _PATH, golden.rendered(dovecot)[_PATH])


def test_versions_come_first() -> None:
    """Dovecot 2.4 refuses a file where anything stands before its two versions."""
    lines = [
        line
        for line in golden.rendered(dovecot)[_PATH].splitlines()
        if line and not line.startswith("#")
    ]
    assert [line.split(" = ")[0] for line in lines[:2]] == [
        "dovecot_config_version",
        "dovecot_storage_version",
    ]


def test_implicit_tls_can_be_switched_off() -> None:
    """dovecot.imaps off: no port 993, neither open nor in the list of ports."""
    settings = _with(DovecotSettings(imaps=False))
    text = golden.rendered(dovecot, settings=settings)[_PATH]
    assert "inet_listener imaps {\n    port = 0\n" in text
    assert [port.number for port in ports([read(dovecot)], settings)] == [143]


def test_listeners_are_the_rooms_ports() -> None:
    """What is opened is what the firewall lets through."""
    text = golden.rendered(dovecot)[_PATH]
    listeners = re.findall(r"inet_listener (\S+) \{\n\s+port = (\d+)\n", text)
    assert listeners == [(port.name, str(port.number)) for port in dovecot.PORTS]


def test_connections_per_user_is_a_setting() -> None:
    """dovecot.connections_per_user is mail_max_userip_connections."""
    text = golden.rendered(dovecot, settings=_with(DovecotSettings(connections_per_user=7)))[_PATH]
    assert "\nmail_max_userip_connections = 7\n" in text


def test_inactive_accounts_are_unknown() -> None:
    """Each query asks for an active mailbox in an active domain."""
    text = golden.rendered(dovecot)[_PATH]
    queries = re.findall(r"^ +(?:iterate_)?query = (.+)$", text, re.MULTILINE)
    assert len(queries) == 3
    for query in queries:
        assert query.endswith("mailbox.active = 1 AND domain.active = 1")


def test_no_login_without_tls() -> None:
    """Neither setting that would allow one has crept in."""
    text = golden.rendered(dovecot)[_PATH]
    assert "\nssl = required\n" in text
    assert "\nauth_allow_cleartext = no\n" in text
