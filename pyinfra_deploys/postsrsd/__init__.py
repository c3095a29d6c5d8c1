"""postsrsd: gives forwarded mail a sender of this server's, so that it passes SPF (SRS).

A mail from a stranger that an alias sends on to a stranger would fail the SPF check there, since
its sender's domain knows nothing of this server. Postfix sends such mail, and no other, through a
second pass (room postfix), where its envelope sender becomes SRS0=…@ the primary domain; a bounce
to such an address goes back to whom it stands for. https://www.libsrs2.net/srs/srs.pdf
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import deploy, install
from pyinfra_deploys.room import Attributes, Port, Reader, Unit, User, plain
from pyinfra_deploys.sandbox import Sandbox

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

PACKAGES = ("postsrsd",)
# For Debian's launcher, which isn't used. Without an answer the package's script asks postconf,
# which sees no configuration at that time and waits a second before it says so.
DEBCONF = ("postsrsd postsrsd/domain string localhost",)
USERS = (User(name="postsrsd", id=171, home="/var/lib/postsrsd"),)
PORTS = (
    Port(number=10001, name="srs-forward", is_public=False),
    Port(number=10002, name="srs-reverse", is_public=False),
)
UNITS = (Unit(name="postsrsd.service"),)
FILES = {
    "/etc/postolka/postsrsd.env": Attributes(mode="0644"),
    # The daemon reads it as its own user.
    "/etc/postolka/postsrsd.secret": Attributes(mode="0640", group="postsrsd"),
}
EFFECTIVE = (
    ("systemctl", "cat", "--no-pager", "postsrsd.service"),
    plain("/etc/postolka/postsrsd.env"),
)
READERS = (
    Reader(
        unit="postsrsd.service",
        files=("/etc/postolka/postsrsd.env", "/etc/postolka/postsrsd.secret"),
    ),
)
SANDBOX = (Sandbox(unit="postsrsd.service", families=("INET", "UNIX")),)


@deploy("postsrsd")
def postsrsd(settings: Settings) -> None:
    """Install the daemon's configuration."""
    install(__name__, settings)
