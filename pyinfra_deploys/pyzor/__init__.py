"""Pyzor: counts how often others have reported a mail, asked by SpamAssassin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import deploy, install
from pyinfra_deploys.room import Attributes, Egress

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

PACKAGES = ("pyzor",)
EGRESS = (Egress(user="amavis", protocol="udp", port=24441, why="Pyzor", setting="pyzor.enabled"),)
FILES = {
    # The package has no such directory, and what is rendered is mounted over one.
    "/etc/pyzor/": Attributes(mode="0755"),
    "/etc/pyzor/servers": Attributes(mode="0644"),
}


@deploy("Pyzor")
def pyzor(settings: Settings) -> None:
    """Install the client's configuration."""
    install(__name__, settings)
