"""Bans for wrong passwords: configuration, data, and what the firewall says of them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from postolka.errors import PostolkaError, ProblemsError
from postolka.home import CHECKOUT
from postolka.instance import jail
from postolka.instance.bans import Bans
from postolka.instance.parse import parse
from pyinfra_deploys import fail2ban, nftables, server
from pyinfra_deploys.sections import Fail2banSettings
from pyinfra_deploys.settings import Settings
from tests.unit import golden

_JAIL, _ALLOWED = "/etc/fail2ban/jail.conf", "/etc/fail2ban/jail.d/allowed.conf"
_EXAMPLE = CHECKOUT / "cloud-init/examples/every-field.yaml"
#: As `nft --json list table inet bans` has it: an address, and a network.
_TABLE = {
    "nftables": [
        {"metainfo": {"version": "1.1.3"}},
        {"table": {"family": "inet", "name": "bans"}},
        {
            "set": {
                "name": "ipv6",
                "elem": [
                    {
                        "elem": {
                            "val": {"prefix": {"addr": "2001:db8:2::", "len": 64}},
                            "timeout": 600,
                            "expires": 5,
                        }
                    }
                ],
            }
        },
        {"set": {"name": "ipv4", "elem": [{"elem": {"val": "192.0.2.9", "expires": 599}}]}},
        {"set": {"name": "empty"}},
    ]
}


def test_jail_is_golden() -> None:
    """The jail is the one that was read and tried."""
    golden.check("fail2ban", _JAIL, golden.baked(fail2ban)[_JAIL])


def test_limits_are_settings() -> None:
    """How many, how long back, and how long a ban lasts."""
    given = Fail2banSettings(max_retry=7, find_minutes=3, ban_minutes=2, ban_max_minutes=11)
    text = golden.baked(fail2ban, replace(Settings(), fail2ban=given))[_JAIL].decode()
    for line in ("maxretry = 7", "findtime = 3m", "bantime = 2m", "bantime.maxtime = 11m"):
        assert f"\n{line}\n" in text


def test_loopback_and_who_is_allowed_are_never_banned() -> None:
    """Loopback always, for Roundcube logs in from there; others as the data say."""
    assert "\nignoreip = 127.0.0.0/8 ::1\n" in golden.rendered(fail2ban)[_ALLOWED]
    bans = Bans(allowed=("192.0.2.0/24", "2001:db8::/32"))
    text = golden.rendered(fail2ban, replace(golden.EXAMPLE, bans=bans))[_ALLOWED]
    golden.check("fail2ban", _ALLOWED, text)
    assert "\nignoreip = 127.0.0.0/8 ::1 192.0.2.0/24 2001:db8::/32\n" in text


def test_allowed_networks_are_data() -> None:
    """Addresses and networks, but not all of the internet."""
    assert parse(_EXAMPLE.read_bytes()).bans.allowed == ("198.51.100.64/26", "2001:db8:64::/48")
    for wrong in ("0.0.0.0/0", "an office", "192.0.2.1 ::1"):
        document = _EXAMPLE.read_text().replace("198.51.100.64/26", wrong)
        with pytest.raises(ProblemsError, match=r"bans\.allowed\[0\]"):
            parse(document.encode())


def test_the_action_uses_the_firewalls_sets() -> None:
    """Names in the action and in the ruleset are the same, one set for each family."""
    action = golden.baked(fail2ban)["/etc/fail2ban/action.d/bans.conf"].decode()
    rules = golden.baked(nftables)["/etc/nftables.conf"].decode().partition("table inet postolka")
    for name, word in (("ipv4", "ip"), ("ipv6", "ip6")):
        assert f"\nset = {name}\n" in action
        assert f"    set {name} {{\n        type {name}_addr\n" in rules[0]
        assert f"{word} saddr @{name} tcp dport" in rules[0]
    assert "inet bans <set>" in action


def test_a_ban_leaves_ssh_and_port_25_open() -> None:
    """The operator comes in, and another server behind the same address brings its mail."""
    rules = (
        golden.baked(nftables)["/etc/nftables.conf"].decode().partition("table inet postolka")[0]
    )
    shut = {
        int(word.strip()) for word in rules.partition("dport {")[2].partition("}")[0].split(",")
    }
    assert shut == set(server.public_tcp_ports(Settings())) - {22, 25}


def test_a_reload_of_the_firewall_keeps_bans() -> None:
    """The sets' table isn't deleted, as that of the other rules is."""
    rules = golden.baked(nftables)["/etc/nftables.conf"].decode()
    assert "delete table inet postolka" in rules
    assert "delete table inet bans" not in rules
    assert "flush set" not in rules


def test_bans_are_read_from_the_firewall() -> None:
    """Addresses and networks, each with the time that it has left."""
    found = jail.read(json.dumps(_TABLE))
    assert [(ban.network, ban.seconds) for ban in found] == [
        ("192.0.2.9", 599),
        ("2001:db8:2::/64", 5),
    ]
    assert str(found[0]) == "192.0.2.9  for another 9 min"


def test_who_is_let_in_again_has_an_address() -> None:
    """What is none isn't asked about."""
    with pytest.raises(PostolkaError, match="is no address"):
        jail.remove("the office")
