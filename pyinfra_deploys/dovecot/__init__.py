"""Dovecot: IMAP, delivery by LMTP, and the check of every login."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import deploy, install
from pyinfra_deploys.room import Unit

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

PACKAGES = ("dovecot-imapd", "dovecot-lmtpd", "dovecot-mysql")
UNITS = (Unit(name="dovecot.service"),)


@deploy("Dovecot")
def dovecot(settings: Settings) -> None:
    """Install the IMAP server's configuration."""
    install(__name__, settings)
