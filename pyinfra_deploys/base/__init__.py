"""The system below every service: init, network, login, state directories."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import deploy, install
from pyinfra_deploys.room import Unit

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "libpam-systemd",
    "login",
    "passwd",
    "udev",
    "kmod",
    "e2fsprogs",
    "iproute2",
    "procps",
    "zstd",
    "sudo",
    "less",
    "ca-certificates",
    "netbase",
    "linux-image-amd64",
)
UNITS = (Unit(name="systemd-networkd.service", needs_instance=False),)


@deploy("Base")
def base(settings: Settings) -> None:
    """Install the machine's own configuration."""
    install(__name__, settings)
