"""BIND, the validating resolver on loopback."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import deploy, install
from pyinfra_deploys.room import Unit

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

PACKAGES = ("bind9", "bind9-utils", "bind9-dnsutils", "dns-root-data")
UNITS = (Unit(name="named.service"),)


@deploy("BIND")
def bind(settings: Settings) -> None:
    """Install the resolver's configuration."""
    install(__name__, settings)
