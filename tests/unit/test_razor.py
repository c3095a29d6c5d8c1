"""Razor's and Pyzor's clients."""

from __future__ import annotations

from dataclasses import replace

from pyinfra_deploys import pyzor, razor, server, spamassassin
from pyinfra_deploys import room as rooms
from pyinfra_deploys.sections import PyzorSettings, RazorSettings
from pyinfra_deploys.settings import Settings
from tests.unit import golden

_RAZOR, _PYZOR = "/etc/razor/razor-agent.conf", "/etc/pyzor/servers"
_OFF = replace(Settings(), razor=RazorSettings(enabled=False), pyzor=PyzorSettings(enabled=False))


def test_razor_is_golden() -> None:
    """The client's configuration is the one that was read and tried."""
    golden.check("razor", _RAZOR, golden.rendered(razor)[_RAZOR])


def test_pyzor_is_golden() -> None:
    """The list of servers is the one that was read and tried."""
    golden.check("pyzor", _PYZOR, golden.rendered(pyzor)[_PYZOR])


def test_both_can_be_switched_off() -> None:
    """Nothing about a mail leaves the machine then, and the firewall sees to it."""
    text = golden.baked(spamassassin, _OFF)["/etc/spamassassin/local.cf"].decode()
    assert "\nuse_razor2 0\n" in text
    assert "\nuse_pyzor 0\n" in text
    flows = rooms.egress(server.all_rooms(), _OFF)
    assert not [flow for flow in flows if flow.user == "amavis" and flow.port != "database"]
