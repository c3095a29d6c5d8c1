"""OpenDKIM: signs what the server's users send and verifies what comes in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import deploy, install
from pyinfra_deploys.room import Unit

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

PACKAGES = ("opendkim",)
UNITS = (Unit(name="opendkim.service"),)


@deploy("OpenDKIM")
def opendkim(settings: Settings) -> None:
    """Install the milter's configuration."""
    install(__name__, settings)
