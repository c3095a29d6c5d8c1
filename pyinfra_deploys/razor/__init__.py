"""Razor: a catalogue of signatures of spam that others have reported, asked by SpamAssassin.

Its client is a library in amavis. The identity by which a machine reports is made once on it, when
the network lets it; asking needs none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import deploy, install
from pyinfra_deploys.room import Attributes, Egress, Unit

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

PACKAGES = ("razor",)
EGRESS = (Egress(user="amavis", protocol="tcp", port=2703, why="Razor", setting="razor.enabled"),)
UNITS = (Unit(name="razor-identity.timer", setting="razor.enabled"),)
FILES = {"/etc/razor/razor-agent.conf": Attributes(mode="0644")}


@deploy("Razor")
def razor(settings: Settings) -> None:
    """Install the client's configuration."""
    install(__name__, settings)
