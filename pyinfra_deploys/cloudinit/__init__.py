"""cloud-init: reads the platform's user-data and SSH keys, and changes nothing in /etc."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import deploy, install

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

PACKAGES = ("cloud-init", "cloud-guest-utils")


@deploy("cloud-init")
def cloudinit(settings: Settings) -> None:
    """Install the datasource's settings."""
    install(__name__, settings)
