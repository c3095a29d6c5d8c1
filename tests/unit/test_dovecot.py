"""The IMAP server's configuration."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from pyinfra_deploys import dovecot
from pyinfra_deploys.room import ports, read
from pyinfra_deploys.sections import DovecotSettings, PostfixSettings, RoundcubeSettings
from pyinfra_deploys.settings import Settings
from tests.unit import golden

_PATH = "/etc/dovecot/dovecot.conf"
_SPAM = "/usr/share/postolka/sieve/spam.sieve"


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


@pytest.mark.parametrize(
    ("setting", "listener", "number"),
    [("imap", "imap", 143), ("imaps", "imaps", 993), ("managesieve", "sieve", 4190)],
)
def test_each_listener_can_be_switched_off(setting: str, listener: str, number: int) -> None:
    """No listener, and none in the list of ports that the firewall and the DNS are made from."""
    settings = replace(
        Settings(),
        dovecot=DovecotSettings(**{setting: False}),
        roundcube=RoundcubeSettings(enabled=False),
    )
    text = golden.rendered(dovecot, settings=settings)[_PATH]
    open_ones = dict(re.findall(r"inet_listener (\S+) \{\n\s+port = ([1-9]\d*)\n", text))
    assert listener not in open_ones
    rest = [port.number for port in dovecot.PORTS if port.number != number]
    assert sorted(map(int, open_ones.values())) == rest
    assert [port.number for port in ports([read(dovecot)], settings)] == rest


def test_roundcube_reads_on_loopback_where_others_may_not() -> None:
    """Without dovecot.imap port 143 is Roundcube's alone, and none of the server's ports."""
    settings = replace(Settings(), dovecot=DovecotSettings(imap=False))
    text = golden.rendered(dovecot, settings=settings)[_PATH]
    assert re.search(r"inet_listener imap \{\n +port = 143\n +#.*\n +listen = 127\.0\.0\.1\n", text)
    assert 143 not in [port.number for port in ports([read(dovecot)], settings)]


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
    assert len(queries) == 4
    for query in queries:
        assert "mailbox.active = 1 AND domain.active = 1" in query


def test_whole_mail_is_the_grace_of_a_delivery() -> None:
    """What RCPT let through without its size fits, whatever the largest mail is."""
    settings = replace(Settings(), postfix=PostfixSettings(message_size_limit_mib=80))
    text = golden.rendered(dovecot, settings=settings)[_PATH]
    assert "\n  quota_storage_grace = 81M\n" in text


@pytest.mark.parametrize(("is_read", "flags"), [(True, ':flags "\\\\Seen" '), (False, "")])
def test_spam_is_marked_read_by_setting(is_read: bool, flags: str) -> None:  # noqa: FBT001 - pytest's
    """dovecot.spam_is_read is a flag of the script that files spam, and nothing else."""
    script = golden.baked(dovecot, _with(DovecotSettings(spam_is_read=is_read)))[_SPAM].decode()
    assert f'fileinto {flags}"Spam";' in script
    assert ("imap4flags" in script) is is_read


def test_no_filter_may_reject() -> None:
    """After the queue a refusal would be a bounce to a sender who may be forged."""
    text = golden.rendered(dovecot)[_PATH]
    assert "sieve_extensions {\n  reject = no\n}" in text


def test_no_login_without_tls() -> None:
    """Neither setting that would allow one has crept in."""
    text = golden.rendered(dovecot)[_PATH]
    assert "\nssl = required\n" in text
    assert "\nauth_allow_cleartext = no\n" in text
