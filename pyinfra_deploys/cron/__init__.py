"""cron, for the operator's own jobs and those of Debian's packages; its mail reaches the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import deploy, install
from pyinfra_deploys.room import State, Unit, User

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

PACKAGES = ("cron",)
USERS = (User(name="crontab", id=170, is_group_only=True),)
UNITS = (Unit(name="cron.service"),)
#: The crontabs of users (crontab(1)). /etc/cron.d is the image's.
#: Users' own tables are the group's.
PRIVILEGED = ("/usr/bin/crontab",)
STATE = (State(path="/var/spool/cron", kind="precious"),)


@deploy("Cron")
def cron(settings: Settings) -> None:
    """Enable the daemon: it runs as Debian configures it."""
    install(__name__, settings)
