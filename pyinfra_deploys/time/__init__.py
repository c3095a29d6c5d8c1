"""The clock, by NTP: signatures and certificates need it right.

systemd-timesyncd, not chrony: it is there already, opens no port, keeps the last time it knew on
the state partition, takes servers from DHCP, and milliseconds are enough for mail. Neither daemon
gets an answer by name while DNSSEC can't be validated because the clock is wrong; so time servers
are given by address, or by a name that the resolver is told not to validate (room bind).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import deploy, install
from pyinfra_deploys.room import Attributes, Egress, Reader, State, Unit, User

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

PACKAGES = ("systemd-timesyncd",)
USERS = (User(name="systemd-timesync", id=111, home="/", comment="systemd Time Synchronization"),)
EGRESS = (Egress(user="systemd-timesync", protocol="udp", port=123, why="the time (NTP)"),)
UNITS = (
    Unit(name="systemd-timesyncd.service", needs_instance=False),
    Unit(name="postolka-time.service"),
)
STATE = (State(path="/var/lib/systemd/timesync", kind="rebuildable"),)
FILES = {
    # What is rendered is mounted over it, so it has to be there.
    "/etc/postolka/": Attributes(mode="0755"),
    # Read by the daemon's own account.
    "/etc/postolka/timesyncd.conf": Attributes(mode="0644"),
}
EFFECTIVE = (("systemd-analyze", "cat-config", "--no-pager", "systemd/timesyncd.conf"),)
READERS = (Reader(unit="systemd-timesyncd.service", files=("/etc/postolka/timesyncd.conf",)),)


@deploy("Time")
def time(settings: Settings) -> None:
    """Install the configuration of timesyncd."""
    install(__name__, settings)
