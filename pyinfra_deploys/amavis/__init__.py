"""amavis: between Postfix and everybody's mailbox, it weighs spam and keeps out viruses.

Postfix hands it each mail after the queue (10024 what comes in, 10026 what users and the machine
send) and takes it back on its own port 10025. What is discarded lies in the quarantine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import deploy, install
from pyinfra_deploys.room import Attributes, Port, Reader, State, Unit, User, to_database
from pyinfra_deploys.sandbox import WITH_NETLINK, Sandbox

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

PACKAGES = (
    "amavisd-new",
    # What archives are opened with, beside perl's own zip, tar and gzip.
    "7zip",
    "cabextract",
)
USERS = (
    User(
        name="amavis",
        id=150,
        home="/var/lib/amavis",
        comment="AMaViS system user",
        groups=("debian-spamd",),
    ),
)
PORTS = (
    Port(number=10024, name="amavis", is_public=False),
    Port(number=10026, name="amavis-originating", is_public=False),
)
UNITS = (
    Unit(name="amavis-networks.service"),
    Unit(name="amavis.socket"),
    Unit(name="amavis.service"),
)
# SpamAssassin, which amavis runs as a library, asks the DNS on loopback: no flow of its own.
EGRESS = (to_database("amavis"),)
#: The quarantine and what Bayes has learnt; not the mails that are being looked at.
STATE = (State(path="/var/lib/amavis", kind="precious", excludes=("tmp/*", "db/*")),)
FILES = {
    # It holds the database's password; amavisd itself refuses a file that its user may write.
    "/etc/amavis/conf.d/50-user": Attributes(mode="0640", group="amavis"),
}
#: They serve its statistics, which are off.
MASKED = ("amavis-mc.service", "amavisd-snmp-subagent.service")
READERS = (
    # SpamAssassin, Razor and Pyzor are its own libraries.
    Reader(
        unit="amavis.service",
        files=("/etc/amavis", "/etc/razor", "/etc/pyzor", "/etc/spamassassin/90-instance.cf"),
    ),
)
SANDBOX = (
    Sandbox(
        unit="amavis.service",
        writes=("/var/lib/amavis",),
        # getaddrinfo(3) looks at the machine's addresses.
        families=WITH_NETLINK,
    ),
    Sandbox(
        unit="amavis-networks.service",
        writes=("/run/amavis-networks",),
        families=("NETLINK", "UNIX"),
        # ip(8) has a SELinux domain of its own.
        gains_privileges=True,
    ),
)


@deploy("Amavis")
def amavis(settings: Settings) -> None:
    """Install the filter's configuration."""
    install(__name__, settings)
