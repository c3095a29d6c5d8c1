"""OpenSSH: the way in for the operator, with keys only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import deploy, install
from pyinfra_deploys.room import Unit

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

PACKAGES = ("openssh-server",)
UNITS = (Unit(name="ssh.service", needs_instance=False),)


@deploy("SSH")
def ssh(settings: Settings) -> None:
    """Install the configuration of sshd."""
    install(__name__, settings)
