"""BIND, the validating resolver on loopback, for this machine alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import deploy, install
from pyinfra_deploys.room import Attributes, Egress, Port, Reader, State, Unit, User
from pyinfra_deploys.sandbox import WITH_NETLINK, Sandbox

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

PACKAGES = ("bind9", "bind9-utils", "bind9-dnsutils", "dns-root-data")
USERS = (User(name="bind", id=122, home="/var/cache/bind"),)
PORTS = (
    Port(number=53, name="domain", is_public=False),
    Port(number=53, protocol="udp", name="domain", is_public=False),
    Port(number=953, name="rndc", is_public=False),
)
EGRESS = (
    Egress(user="bind", protocol="udp", port=53, why="recursive DNS"),
    Egress(user="bind", protocol="tcp", port=53, why="recursive DNS, long answers"),
)
UNITS = (Unit(name="named.service"),)
STATE = (
    State(path="/var/cache/bind", kind="rebuildable"),
    State(path="/var/lib/bind", kind="rebuildable"),
)
FILES = {
    "/etc/bind/named.conf": Attributes(mode="0644"),
    "/etc/bind/rndc.key": Attributes(mode="0640", group="bind"),
    "/etc/bind/root.hints": Attributes(mode="0644"),
}
EFFECTIVE = (("named-checkconf", "-px"),)
#: resolvconf isn't here; the unit is for machines that have it.
MASKED = ("named-resolvconf.service",)
READERS = (Reader(unit="named.service", files=("/etc/bind",)),)
CHECKERS = (("named-checkconf", "-z", "/etc/bind/named.conf"),)
SANDBOX = (
    Sandbox(
        unit="named.service",
        writes=("/run/named", "/var/cache/bind", "/var/lib/bind"),
        # Port 53; and it becomes bind.
        capabilities=("DAC_READ_SEARCH", "NET_BIND_SERVICE", "SETGID", "SETUID", "SYS_RESOURCE"),
        # It looks at the machine's addresses.
        families=WITH_NETLINK,
    ),
)


@deploy("BIND")
def bind(settings: Settings) -> None:
    """Install the resolver's configuration."""
    install(__name__, settings)
