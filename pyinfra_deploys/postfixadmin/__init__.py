"""PostfixAdmin: its schema, in which domains, mailboxes and aliases are kept, and its web pages.

The pages are at /postfixadmin/ (setting postfixadmin_web). Who may log in as an admin are rows of
the schema, the first of which comes from the instance's data: setup.php, by which anybody with its
password makes another, isn't served.
"""

from __future__ import annotations

from pathlib import Path
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
    "postfixadmin",
    # By these Postfix and amavis read its tables.
    "libdbd-mariadb-perl",
    "postfix-mysql",
)
# The agent and the script make the database and the configuration; dbconfig-common would ask for a
# running server, fail without one, and leave a password of its own in /etc.
DEBCONF = ("postfixadmin postfixadmin/dbconfig-install boolean false",)
USERS = (User(name="postfixadmin", id=180, home="/var/cache/postfixadmin"),)
EGRESS = (to_database("postfixadmin", "postfixadmin.web"),)
_SERVICE = "postolka-php@postfixadmin.service"
UNITS = (Unit(name=_SERVICE, setting="postfixadmin.web"),)
#: Sessions, and templates that are compiled once more after each boot.
STATE = (State(path="/var/cache/postfixadmin", kind="cache"),)
_CONFIGURATION = "/etc/postfixadmin/config.local.php"
FILES = {
    # It holds the database's password, and PHP reads it as its own user.
    _CONFIGURATION: Attributes(mode="0640", group="postfixadmin"),
    # What Postfix asks them; proxymap(8) reads these as the user postfix.
    **{
        f"/etc/postfix/sql/{name}.cf": Attributes(mode="0640", group="postfix")
        for name in (
            "alias_domains",
            "aliases",
            "domains",
            "mailboxes",
            "own_senders",
            "sender_alias_domains",
            "senders",
        )
    },
}
READERS = (Reader(unit=_SERVICE, files=("/etc/postfixadmin",)),)
CHECKS = (("php-fpm8.4", "--test", "--fpm-config", "/etc/php/8.4/fpm/postolka-postfixadmin.conf"),)
READS = ("/etc/php",)
CHECKERS = (complaints(f"php8.4 --syntax-check {_CONFIGURATION}", "No syntax errors"),)
EFFECTIVE = (plain(_CONFIGURATION),)

#: What the agent loads into an empty database.
SCHEMA = "/usr/share/postolka/postfixadmin.sql"
#: What makes it, in the root.
SCRIPT = Path(__file__).parent / "schema.sh"


@deploy("PostfixAdmin's tables")
def generate() -> None:
    """Make the tables' SQL."""
    from pyinfra_deploys.operations import schema  # noqa: PLC0415 - pyinfra costs half a second

    script = SCRIPT.read_text(encoding="utf-8")
    schema.made(name="Make the tables' SQL", path=SCHEMA, script=script)


@deploy("PostfixAdmin")
def postfixadmin(settings: Settings) -> None:
    """Install PostfixAdmin's configuration."""
    install(__name__, settings)
