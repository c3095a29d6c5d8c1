"""The machine's own configuration."""

from __future__ import annotations

import configparser
from dataclasses import replace

import pytest

from pyinfra_deploys import base, server
from pyinfra_deploys.room import read
from pyinfra_deploys.sections import BaseSettings
from pyinfra_deploys.settings import Settings
from pyinfra_deploys.tree import entries
from tests.unit import golden

_JOURNAL = "/etc/systemd/journald.conf.d/postolka.conf"


def test_journal_is_golden() -> None:
    """The journal's configuration is the one that was read and tried."""
    golden.check("base", _JOURNAL, golden.baked(base)[_JOURNAL])


def test_journal_limits_are_settings() -> None:
    """base.journal_max_mib and base.journal_max_days limit the journal."""
    limits = BaseSettings(journal_max_mib=99, journal_max_days=7)
    text = golden.baked(base, replace(Settings(), base=limits))[_JOURNAL].decode()
    assert "\nSystemMaxUse=99M\nMaxRetentionSec=7day\n" in text


@pytest.mark.parametrize(
    "path",
    [
        "/etc/fstab",
        "/etc/hostname",
        "/etc/machine-id",
        "/etc/selinux/config",
        "/etc/.updated",
        "/var/.updated",
    ],
)
def test_stock_machine_keeps_what_is_its_own(path: str) -> None:
    """No room writes what only an image can live with: a stock machine would not boot again."""
    settings = Settings()
    house = server.house(settings)
    for room in server.all_rooms():
        assert path not in {entry.path for entry in entries(room, settings, house, {})}


def test_sudo_rule_is_readable_by_root_alone() -> None:
    """Sudo ignores a rule that others could write, and says so at each call."""
    found = entries(read(base), Settings(), server.house(Settings()), {})
    modes = {entry.path: (entry.mode, entry.user) for entry in found}
    assert modes["/etc/sudoers.d/postolka"] == ("0440", "root")


def test_names_and_ids_are_given_once() -> None:
    """No two accounts share a name or an id, or a file of one would be the other's."""
    users = server.users(server.all_rooms())
    assert len({user.name for user in users}) == len(users)
    assert len({user.id for user in users}) == len(users)


@pytest.mark.parametrize("name", ["89-container.network", "89-ethernet.network"])
def test_interfaces_take_addresses_of_both_families(name: str) -> None:
    """DHCP asks for IPv4 and IPv6, and an address never changes for privacy's sake."""
    parser = configparser.ConfigParser(strict=False)
    parser.read_string(golden.baked(base)[f"/etc/systemd/network/{name}"].decode())
    assert parser["Match"]["Type"] == "ether"
    assert parser["Network"]["DHCP"] == "yes"
    assert parser["Network"]["IPv6PrivacyExtensions"] == "no"
