"""SELinux: Debian's default policy with the rooms' modules, and the labels of the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import deploy, install

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

PACKAGES = ("selinux-policy-default", "policycoreutils", "python3-selinux")


@deploy("SELinux")
def selinux(settings: Settings) -> None:
    """Install what the policy is told of paths.

    The image gets the policy itself as a layer, and its mode when it is finished; a stock machine
    has neither, and keeps its own.
    """
    install(__name__, settings)
