"""MariaDB: domains, mailboxes and aliases, on a socket only.

The server's core without Debian's mariadb-server: that package brings Galera and a setuid helper,
and its maintainer script makes a data directory, which belongs on the state partition. So the unit
and the first start of the data directory are this room's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import deploy, install
from pyinfra_deploys.room import Attributes, Reader, State, Unit, User, to_database
from pyinfra_deploys.sandbox import Sandbox

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

SETTING = "base.mailboxes"
PACKAGES = ("mariadb-client", "mariadb-server-core")
#: The agent brings the tables, the accounts and what the data seed, also into a database elsewhere.
_DATABASE = "postolka-database.service"
USERS = (User(name="mysql", id=120, comment="MariaDB Server"),)
EGRESS = (to_database("root"),)
# Without instance data too: on a socket it is nobody's open door, and its first start, one of the
# slowest steps of a first boot, runs beside cloud-init.
UNITS = (
    Unit(name="mariadb-init.service", needs_instance=False),
    Unit(name="mariadb.service", needs_instance=False),
    Unit(name=_DATABASE),
)
STATE = (State(path="/var/lib/mysql", kind="precious", restore="dump"),)
FILES = {"/usr/lib/postolka/mariadb-tc-log": Attributes(mode="0755")}
CHECKS = (
    # Verbose help is written after the whole configuration is read; an unknown option is an error.
    ("/usr/sbin/mariadbd", "--user=mysql", "--verbose", "--help"),
)
READS = ("/etc/mysql",)
READERS = (
    # New accounts and passwords; it also creates what new data name.
    Reader(unit=_DATABASE, files=("/etc/mysql/postolka-grants.sql",)),
)
EFFECTIVE = (("my_print_defaults", "--mysqld"),)
SANDBOX = (Sandbox(unit="mariadb.service", writes=("/var/lib/mysql",), families=("UNIX",)),)


@deploy("MariaDB")
def mariadb(settings: Settings) -> None:
    """Install the database server's configuration, its units, and the rights of its accounts."""
    install(__name__, settings)
