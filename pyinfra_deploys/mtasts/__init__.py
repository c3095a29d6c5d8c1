"""MTA-STS for outgoing mail (RFC 8461), behind DANE: a good policy never overrides a wrong TLSA.

Debian's postfix-mta-sts-resolver fetches the policies and keeps them. Its answer would replace
Postfix's level `dane`, so Postfix asks it by a small service of ours
(postolka/instance/tlspolicy.py) that looks for TLSA records first (RFC 8461, 2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import deploy, install
from pyinfra_deploys.room import Attributes, Egress, Port, State, Unit, User, plain

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

PACKAGES = ("postfix-mta-sts-resolver", "python3-dnspython")
USERS = (
    User(name="_mta-sts", id=173, home="/var/lib/mta-sts"),
    User(name="tlspolicy", id=174),
)
PORTS = (
    Port(number=8461, name="mta-sts", is_public=False),
    Port(number=8462, name="tls-policy", is_public=False),
)
EGRESS = (Egress(user="_mta-sts", protocol="tcp", port=443, why="MTA-STS policies"),)
UNITS = (Unit(name="postfix-mta-sts-resolver.service"), Unit(name="postolka-tlspolicy.service"))
#: Policies hold for weeks (max_age), also against who hides them meanwhile.
STATE = (State(path="/var/lib/mta-sts", kind="rebuildable"),)
FILES = {"/etc/postolka/authorities.pem": Attributes(mode="0644")}
EFFECTIVE = (plain("/etc/mta-sts-daemon.yml"),)


@deploy("MTA-STS")
def mtasts(settings: Settings) -> None:
    """Install both services' configuration."""
    install(__name__, settings)
