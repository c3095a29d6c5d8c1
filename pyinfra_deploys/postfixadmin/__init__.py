"""PostfixAdmin's schema, in which domains, mailboxes and aliases are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import deploy, install

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

PACKAGES = ("postfixadmin", "php8.4-cli", "php8.4-mysql", "php8.4-fpm")


@deploy("PostfixAdmin")
def postfixadmin(settings: Settings) -> None:
    """Install what makes and upgrades the schema."""
    install(__name__, settings)
