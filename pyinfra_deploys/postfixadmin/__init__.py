"""PostfixAdmin: its schema, in which domains, mailboxes and aliases are kept.

The web interface isn't served yet; PHP's service stays masked.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import deploy, install

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

# php8.4-fpm by name, or libapache2-mod-php would come in to satisfy the dependency.
PACKAGES = ("php8.4-cli", "php8.4-fpm", "php8.4-mysql", "postfixadmin")
MASKED = ("php8.4-fpm.service", "phpsessionclean.timer")
# The agent and the script make the database and the configuration; dbconfig-common would ask for a
# running server, fail without one, and leave a password of its own in /etc.
DEBCONF = ("postfixadmin postfixadmin/dbconfig-install boolean false",)

#: What the agent loads into an empty database.
SCHEMA = "/usr/share/postolka/postfixadmin.sql"
_SCRIPT = "/usr/lib/postolka/postfixadmin-schema"


@deploy("PostfixAdmin")
def postfixadmin(settings: Settings) -> None:
    """Install PostfixAdmin's configuration and make its tables' SQL."""
    from pyinfra_deploys.operations import schema  # noqa: PLC0415 - pyinfra costs half a second

    install(__name__, settings)
    content = (Path(__file__).parent / f"rootfs{_SCRIPT}").read_bytes()
    schema.made(name="Make the tables' SQL", path=SCHEMA, script=_SCRIPT, script_content=content)
