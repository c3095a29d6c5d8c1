"""Backups by restic: mail, the database, keys; encrypted, to this machine, by SFTP or to S3.

What is backed up is what the rooms call precious (STATE). A timer starts it; the programs are ours
(postolka/instance/backups), and so is `postolka-instance restore`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import LIBRARY, deploy, install
from pyinfra_deploys.room import Attributes, Egress, Reader, State, Unit, User, plain, to_database
from pyinfra_deploys.sandbox import Sandbox

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

PACKAGES = ("restic",)
USERS = (User(name="restic", id=176, home="/var/lib/postolka-backup"),)
EGRESS = (
    Egress(user="restic", protocol="tcp", port="backup", why="where backups go"),
    to_database("restic"),
)
UNITS = (Unit(name="postolka-backup.timer"),)
STATE = (
    # What became of the last one, and the database's dump, which each makes anew.
    State(path="/var/lib/postolka-backup", kind="rebuildable"),
    # Backups on this machine aren't backed up themselves.
    State(path="/var/backups/postolka", kind="rebuildable"),
    State(path="/var/cache/postolka-backup", kind="cache"),
    State(path="/var/lib/postolka-restore", kind="cache"),
)
#: As ssh(1) wants it: no other may read its key.
_OWN = Attributes(mode="0600", user="restic", group="restic")
FILES = {
    "/usr/libexec/postolka/backup": Attributes(mode="0755"),
    "/etc/postolka/backup/target.json": _OWN,
    "/etc/postolka/backup/ssh_key": _OWN,
    "/etc/postolka/backup/ssh_config": Attributes(mode="0644"),
    "/etc/postolka/backup/known_hosts": Attributes(mode="0644"),
    "/etc/postolka/backup/authority.pem": Attributes(mode="0644"),
}
_IMPORTS = f"import sys; sys.path.insert(0, {LIBRARY!r}); import postolka.instance.backups.taking"
CHECKS = (
    # The program's own imports, with the image's Python and nothing but Debian's modules.
    ("/usr/bin/python3", "-Ic", _IMPORTS),
)
READS = (LIBRARY,)
#: Each backup reads them afresh.
READERS = (Reader(unit="", files=("/etc/postolka/backup",)),)
_PARSE = "ssh -G -T -F /etc/postolka/backup/ssh_config postolka-backup >/dev/null"
CHECKERS = (("sh", "-c", _PARSE),)
EFFECTIVE = (
    plain("/etc/postolka/backup/target.json"),
    ("systemctl", "cat", "--no-pager", "postolka-backup.timer", "postolka-backup.service"),
)
SANDBOX = (
    # It may read everything, homes too.
    Sandbox(
        unit="postolka-backup.service",
        writes=("/var/lib/postolka-backup", "/var/cache/postolka-backup", "/var/backups/postolka"),
        capabilities=("DAC_READ_SEARCH",),
        home="read-only",
    ),
)


@deploy("Backup")
def backup(settings: Settings) -> None:
    """Install the backup's program, its unit and its timer."""
    install(__name__, settings)
