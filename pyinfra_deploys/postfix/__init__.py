"""Postfix, the MTA: mail in on 25, submission on 587 and 465, mail out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import deploy, install
from pyinfra_deploys.room import Unit

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

PACKAGES = ("postfix", "postfix-mysql", "postfix-lmdb")
UNITS = (Unit(name="postfix.service"),)


@deploy("Postfix")
def postfix(settings: Settings) -> None:
    """Install the MTA's configuration."""
    install(__name__, settings)
