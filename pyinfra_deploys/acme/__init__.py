"""ACME: certificates that an authority vouches for, ordered and renewed by uacme.

Debian has three clients without Python. acme.sh forks for every step, 4 minutes of CPU time on an
emulated machine. lego forks nothing, but is 22 MiB, mostly other providers' DNS interfaces, and has
an idea of its own when to renew. uacme, 0.3 MiB of C, orders by a request that others have signed
(RFC 2986): the key stays the instance's, which TLSA records name, and who speaks to the authority
never has it. It starts one program for each name. When to order is ours
(postolka/instance/acme/plan.py): at two thirds of a certificate's time, be it 90 days or 6.

The account's key is this machine's own: made at the first order, bound to nothing else, and lost
without harm. So instance data have no secret more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import LIBRARY, deploy, install, modules
from pyinfra_deploys.room import Attributes, Egress, State, Unit, User
from pyinfra_deploys.sandbox import Sandbox

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

PACKAGES = ("uacme",)
USERS = (User(name="acme", id=177),)
EGRESS = (
    Egress(user="acme", protocol="tcp", port="acme", why="the certificate authority"),
    Egress(user="acme", protocol="tcp", port="acme_dns", why="names proved in the DNS (dns-01)"),
)
UNITS = (Unit(name="postolka-acme.timer"), Unit(name="postolka-acme.path"))
#: With it a machine that was restored serves at once, and orders nothing that an authority counts.
STATE = (State(path="/var/lib/postolka-acme", kind="precious"),)
_PROGRAM = Attributes(mode="0755")
FILES = {
    "/usr/libexec/postolka/acme": _PROGRAM,
    "/usr/libexec/postolka/acme-dns": _PROGRAM,
    "/usr/libexec/postolka/acme-due": _PROGRAM,
    "/usr/libexec/postolka/acme-hook": _PROGRAM,
    "/usr/libexec/postolka/acme-order": _PROGRAM,
}
_IMPORTS = (
    f"import sys; sys.path.insert(0, {LIBRARY!r}); import postolka.acme.dns01, postolka.acme.steps"
)
CHECKS = (
    # The programs' own imports, with the image's Python and nothing but Debian's modules.
    ("/usr/bin/python3", "-Ic", _IMPORTS),
)
READS = (LIBRARY,)
SANDBOX = (
    Sandbox(
        unit="postolka-acme.service",
        writes=("/var/lib/postolka-acme/account", "/var/lib/postolka-acme/webroot"),
    ),
)


@deploy("ACME")
def acme(settings: Settings) -> None:
    """Install the client and what orders with it."""
    install(__name__, settings, extra=modules("postolka/acme/*.py", "postolka/live.py"))
