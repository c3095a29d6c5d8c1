"""OpenDKIM: signs outgoing mail with RSA and Ed25519, verifies incoming mail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import deploy, install
from pyinfra_deploys.room import Attributes, Port, Unit, User, plain

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


@deploy("OpenDKIM")
def opendkim(settings: Settings) -> None:
    """Install the milters' configuration."""
    install(__name__, settings)
