"""Dovecot: IMAP, delivery by LMTP with filters and quotas, and the check of every login."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import deploy, install
from pyinfra_deploys.room import Attributes, Port, Reader, State, Unit, User, to_database
from pyinfra_deploys.sandbox import WITH_NETLINK, Sandbox

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

SETTING = "base.mailboxes"
PACKAGES = (
    "dovecot-imapd",
    "dovecot-lmtpd",
    "dovecot-managesieved",
    "dovecot-mysql",
    "dovecot-sieve",
)
USERS = (
    User(name="dovecot", id=125, home="/usr/lib/dovecot", comment="Dovecot mail server"),
    User(name="dovenull", id=126, comment="Dovecot login user"),
    # dovecot-core depends on ssl-cert; nobody is in the group, and no certificate of it is used.
    User(name="ssl-cert", id=127, is_group_only=True),
    User(name="vmail", id=5000, home="/var/vmail", comment="Owner of all mail"),
)
PORTS = (
    Port(number=143, name="imap", tls="starttls", setting="dovecot.imap"),
    Port(number=993, name="imaps", tls="implicit", setting="dovecot.imaps"),
    Port(number=4190, name="sieve", tls="starttls", setting="dovecot.managesieve"),
)
EGRESS = (to_database("dovecot"),)
UNITS = (Unit(name="dovecot.service"), Unit(name="postolka-deleted-mail.timer"))
STATE = (
    State(
        path="/var/vmail",
        kind="precious",
        restore="add",
        # Caches of what the maildirs say. UIDs and keywords stand in other files.
        excludes=("**/dovecot.index*", "**/dovecot.list.index*"),
    ),
    State(path="/var/lib/dovecot", kind="rebuildable"),
)
_PROGRAM = Attributes(mode="0755")
FILES = {
    "/usr/lib/postolka/dovecot-sieve": _PROGRAM,
    "/usr/sbin/postolka-quota": _PROGRAM,
}
EFFECTIVE = (("doveconf", "-n"),)
READERS = (Reader(unit="dovecot.service", files=("/etc/dovecot", "/run/postolka/tls")),)
CHECKERS = (("sh", "-c", "doveconf -n >/dev/null"),)
SANDBOX = (
    Sandbox(
        unit="dovecot.service",
        writes=(
            "/run/dovecot",
            "/run/dovecot-sieve",
            "/var/lib/dovecot",
            # Its sockets, and sendmail(1).
            "/var/spool/postfix/private",
            "/var/spool/postfix/maildrop",
            "/var/spool/spam-learn",
            "/var/vmail",
        ),
        # Each of its processes becomes somebody else, and who logs in sees an empty directory.
        capabilities=(
            *("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "KILL", "NET_BIND_SERVICE"),
            *("SETGID", "SETUID", "SYS_CHROOT", "SYS_RESOURCE"),
        ),
        # sendmail(1) looks at the machine's addresses.
        families=WITH_NETLINK,
        calls=("@system-service", "chroot"),
        # Answers of a user's filters go by sendmail(1); its own programs have SELinux domains.
        gains_privileges=True,
    ),
    Sandbox(
        unit="postolka-deleted-mail.service",
        writes=("/var/vmail",),
        families=("UNIX",),
    ),
)


@deploy("Dovecot")
def dovecot(settings: Settings) -> None:
    """Install the IMAP server's configuration."""
    install(__name__, settings)
