"""The clock, by NTP: signatures and certificates need it right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import deploy, install
from pyinfra_deploys.room import Unit

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

PACKAGES = ("systemd-timesyncd",)
UNITS = (Unit(name="systemd-timesyncd.service", needs_instance=False),)


@deploy("Time")
def time(settings: Settings) -> None:
    """Install the configuration of timesyncd."""
    install(__name__, settings)
