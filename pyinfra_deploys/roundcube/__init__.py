"""Roundcube: mail in the browser, at /roundcube/ (setting roundcube_enabled).

A mail client like others: it reads by IMAP, sends by submission and edits filters by ManageSieve,
on loopback, with what its user typed. In its own database are its users' settings, address books
and sessions. The tree that Debian's package has in /var/lib isn't used: on the state partition it
would stay as the first image made it. What a browser may fetch is named in host.d/roundcube.conf
instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import deploy, install
from pyinfra_deploys.room import (
    Attributes,
    Reader,
    State,
    Unit,
    User,
    complaints,
    plain,
    to_database,
)

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

SETTING = "base.mailboxes"
PACKAGES = (
    "php8.4-intl",
    "php8.4-xml",
    "roundcube-core",
    "roundcube-mysql",
    # archive, managesieve, markasjunk, password and virtuser_query of them
    "roundcube-plugins",
)
# As for PostfixAdmin: the agent makes the database.
DEBCONF = (
    "roundcube-core roundcube/dbconfig-install boolean false",
    "roundcube-core roundcube/reconfigure-webserver multiselect",
)
USERS = (User(name="roundcube", id=181, home="/var/cache/roundcube"),)
EGRESS = (to_database("roundcube", "roundcube.enabled"),)
_SERVICE = "postolka-php@roundcube.service"
UNITS = (Unit(name=_SERVICE, setting="roundcube.enabled"),)
#: Attachments of a mail that is being written.
STATE = (State(path="/var/cache/roundcube", kind="cache"),)
_CONFIGURATION = "/etc/roundcube/config.inc.php"
FILES = {
    # It holds the database's password and the machine's key, and PHP reads it as its own user.
    _CONFIGURATION: Attributes(mode="0640", group="roundcube"),
}
READERS = (Reader(unit=_SERVICE, files=("/etc/roundcube",)),)
CHECKS = (("php-fpm8.4", "--test", "--fpm-config", "/etc/php/8.4/fpm/postolka-roundcube.conf"),)
READS = ("/etc/php",)
CHECKERS = (complaints(f"php8.4 --syntax-check {_CONFIGURATION}", "No syntax errors"),)
EFFECTIVE = (plain(_CONFIGURATION),)
#: Debian's jobs for its own tree: PHP ends old sessions, and with them goes what else is old.
MASKED = ("roundcube-cleandb.timer", "roundcube-gc.timer")


@deploy("Roundcube")
def roundcube(settings: Settings) -> None:
    """Install the webmail's configuration and its own plugin."""
    install(__name__, settings)
