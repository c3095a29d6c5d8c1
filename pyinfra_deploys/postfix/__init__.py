"""Postfix, the MTA: mail in on 25, submission on 587 and 465, mail out.

Domains, mailboxes and aliases come from PostfixAdmin's tables (room postfixadmin); who may log in
is Dovecot's to say. On a server without mailboxes the instance's data have the domains, the servers
that their mail goes on to, and who may submit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import deploy, install
from pyinfra_deploys.room import Attributes, Egress, Port, Reader, State, Unit, User, to_database

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

PACKAGES = (
    "bsd-mailx",  # the command mail, for scripts and the operator; it uses sendmail(1)
    "libsasl2-modules",  # the login at a relay host
    "postfix",
    "postfix-lmdb",
)
#: No main.cf of the package's making, which would hold the build machine's name.
DEBCONF = ("postfix postfix/main_mailer_type select No configuration",)
USERS = (
    User(name="postfix", id=123, home="/var/spool/postfix"),
    User(name="postdrop", id=124, is_group_only=True),
)
PORTS = (
    Port(number=25, name="smtp", tls="starttls"),
    Port(number=465, name="submissions", tls="implicit", setting="postfix.submissions"),
    Port(number=587, name="submission", tls="starttls"),
    Port(number=10025, name="reinjection", is_public=False),
    Port(number=10027, name="srs", is_public=False),
)
EGRESS = (
    Egress(user="postfix", protocol="tcp", port=25, why="mail to other servers"),
    Egress(user="postfix", protocol="tcp", port="relay", why="mail to relay hosts"),
    to_database("postfix"),
)
UNITS = (Unit(name="postfix.service"),)
STATE = (
    # By the time a backup is wanted its mail has long been sent, and would be sent once more.
    State(path="/var/spool/postfix", kind="precious", restore="never"),
    State(path="/var/lib/postfix", kind="rebuildable"),
)
_PLAIN = Attributes(mode="0644")
# postscreen(8) reads it as the user postfix.
_SECRET = Attributes(mode="0640", group="postfix")
FILES = {
    "/etc/mailname": _PLAIN,
    "/etc/postfix/client_access.cidr": _PLAIN,
    "/etc/postfix/clients.cidr": _PLAIN,
    "/etc/postfix/dnsbl_reply": _SECRET,
    "/etc/postfix/header_checks": _PLAIN,
    "/etc/postfix/main.cf": _PLAIN,
    "/etc/postfix/postscreen_access.cidr": _PLAIN,
    "/etc/postfix/sender_access": _PLAIN,
    "/etc/postfix/sender_transport": _PLAIN,
    "/etc/postfix/tls_policy": _PLAIN,
    "/etc/postfix/transport": _PLAIN,
}
EFFECTIVE = (("postconf", "-n"), ("postconf", "-M"), ("postconf", "-P"))
#: It copies resolv.conf into a chroot, which this server doesn't use.
MASKED = ("postfix-resolvconf.path",)
#: Whoever sends a mail puts it where only Postfix may (postdrop(1)), and may ask for the queue.
PRIVILEGED = ("/usr/sbin/postdrop", "/usr/sbin/postqueue")
READERS = (
    Reader(
        unit="postfix.service",
        files=(
            "/etc/postfix",
            "/etc/mailname",
            "/etc/postolka/authorities.pem",
            "/run/postolka/tls",
        ),
    ),
)
CHECKERS = (
    # It tells a terminal what it otherwise tells the journal alone.
    ("script", "--quiet", "--return", "--command", "postfix check", "/dev/null"),
    ("sh", "-c", "postconf -n >/dev/null; postconf -M >/dev/null"),
)


@deploy("Postfix")
def postfix(settings: Settings) -> None:
    """Install the MTA's configuration."""
    install(__name__, settings)
