"""The firewall, made from the rooms' PORTS and EGRESS: default drop in and out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import deploy, install
from pyinfra_deploys.room import Unit

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

PACKAGES = ("nftables",)
UNITS = (Unit(name="nftables.service", needs_instance=False),)


@deploy("Firewall")
def nftables(settings: Settings) -> None:
    """Install the ruleset."""
    install(__name__, settings)
