"""What an operator looks into mail, TLS and the network with, and edits a file with.

dig comes with the room bind, less with the room base.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import deploy, install
from pyinfra_deploys.room import User

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

PACKAGES = (
    "nano",  # an editor that needs no manual
    "openssl",
    "swaks",  # says a mail to a server, line by line
    "tcpdump",
)
#: Whom tcpdump becomes once it has the network's device.
USERS = (User(name="tcpdump", id=185),)


@deploy("Tools")
def tools(settings: Settings) -> None:
    """Install nothing: packages are all that this room has."""
    install(__name__, settings)
