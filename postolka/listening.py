"""What a server of this checkout listens on: its rooms' ports, under its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from postolka import derivation, home
from pyinfra_deploys import server, settings

if TYPE_CHECKING:
    from pyinfra_deploys.room import Port


def ports() -> tuple[Port, ...]:
    """Return the ports, by number. Raises PostolkaError for settings that aren't valid."""
    return server.ports(settings.load(home.CHECKOUT / derivation.GROUP_DATA))
