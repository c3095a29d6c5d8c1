"""MTA-STS for outgoing mail (RFC 8461), behind DANE: a good policy never overrides a wrong TLSA.

Debian's postfix-mta-sts-resolver fetches the policies and keeps them. It knows nothing of DANE, and
its answer would replace Postfix's level `dane`. So Postfix asks it by a small service of ours
(postolka/tlspolicy), which looks for TLSA records first (RFC 8461, 2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import LIBRARY, deploy, install, modules
from pyinfra_deploys.room import Attributes, Egress, Port, Reader, State, Unit, User, plain
from pyinfra_deploys.sandbox import Sandbox

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

PACKAGES = (
    "postfix-mta-sts-resolver",
    "python3-idna",  # dnspython leaves it out where it isn't there, and reads no domain in UTF-8
)
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
FILES = {"/usr/libexec/postolka/tlspolicy": Attributes(mode="0755")}
_IMPORTS = f"import sys; sys.path.insert(0, {LIBRARY!r}); import idna, postolka.tlspolicy.service"
# It has no check of its own, but reads the file like this.
_LOAD = "from postfix_mta_sts_resolver import utils; utils.load_config('/etc/mta-sts-daemon.yml')"
CHECKS = (
    # The service's own imports, with the image's Python and nothing but Debian's modules.
    ("/usr/bin/python3", "-Ic", _IMPORTS),
    ("/usr/bin/python3", "-Ic", _LOAD),
)
READS = ("/etc/mta-sts-daemon.yml", LIBRARY)
EFFECTIVE = (plain("/etc/mta-sts-daemon.yml"),)
READERS = (
    Reader(unit="postfix-mta-sts-resolver.service", files=("/etc/postolka/authorities.pem",)),
)
SANDBOX = (Sandbox(unit="postolka-tlspolicy.service"),)


@deploy("MTA-STS")
def mtasts(settings: Settings) -> None:
    """Install both services' configuration."""
    install(__name__, settings, extra=modules("postolka/tlspolicy/*.py"))
