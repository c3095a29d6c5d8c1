"""MariaDB: domains, mailboxes and aliases, on a socket only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import deploy, install
from pyinfra_deploys.room import Unit

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

PACKAGES = ("mariadb-server",)
UNITS = (Unit(name="mariadb.service"),)


@deploy("MariaDB")
def mariadb(settings: Settings) -> None:
    """Install the database server's configuration."""
    install(__name__, settings)
