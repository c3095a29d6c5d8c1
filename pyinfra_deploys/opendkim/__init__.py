"""OpenDKIM: signs outgoing mail with RSA and Ed25519, verifies incoming mail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import deploy, install
from pyinfra_deploys.room import Attributes, Port, Reader, Unit, User, plain
from pyinfra_deploys.sandbox import Sandbox

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

PACKAGES = ("opendkim", "opendkim-tools")
USERS = (User(name="opendkim", id=121, home="/run/opendkim"),)
PORTS = (
    Port(number=8891, name="opendkim", is_public=False),
    Port(number=8892, name="opendkim-ed25519", is_public=False, setting="opendkim.ed25519"),
)
UNITS = (
    Unit(name="opendkim.service"),
    Unit(name="opendkim-ed25519.service", setting="opendkim.ed25519"),
)
_SECRET = Attributes(mode="0600", user="opendkim", group="opendkim")
_PLAIN = Attributes(mode="0644")
FILES = {
    "/etc/dkimkeys/KeyTable": _SECRET,
    "/etc/dkimkeys/KeyTable.ed25519": _SECRET,
    "/etc/dkimkeys/SigningTable": _PLAIN,
    "/etc/dkimkeys/SigningTable.ed25519": _PLAIN,
}
EFFECTIVE = (plain("/etc/opendkim.conf", "/etc/opendkim-ed25519.conf"),)
READERS = (
    Reader(
        unit="opendkim.service",
        files=("/etc/dkimkeys/KeyTable", "/etc/dkimkeys/SigningTable", "/run/postolka/dkim"),
    ),
    Reader(
        unit="opendkim-ed25519.service",
        files=(
            "/etc/dkimkeys/KeyTable.ed25519",
            "/etc/dkimkeys/SigningTable.ed25519",
            "/run/postolka/dkim",
        ),
    ),
)
CHECKERS = (
    ("opendkim", "-n", "-x", "/etc/opendkim.conf"),
    # Setting opendkim_ed25519.
    ("sh", "-c", "f=/etc/opendkim-ed25519.conf; [ ! -e $f ] || opendkim -n -x $f"),
)
SANDBOX = tuple(
    Sandbox(unit=unit, writes=("/run/opendkim",))
    for unit in ("opendkim.service", "opendkim-ed25519.service")
)


@deploy("OpenDKIM")
def opendkim(settings: Settings) -> None:
    """Install the milters' configuration."""
    install(__name__, settings)
