"""SpamAssassin, which amavis runs as a library: its rules, scores, and what it has learnt.

Debian's rules are in the image; one statistics of words (Bayes) a site is on the state partition.
There is no spamd.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import deploy, install
from pyinfra_deploys.room import Attributes, Egress, Reader, State, Unit, User
from pyinfra_deploys.sandbox import Sandbox

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

PACKAGES = (
    "spamassassin",
    "libmail-spf-perl",
    # For the signatures of new rules. gpg doesn't import a key without the agent.
    "gpg",
    "gpg-agent",
)
USERS = (User(name="debian-spamd", id=151, home="/var/lib/spamassassin"),)
EGRESS = tuple(
    Egress(user="debian-spamd", protocol="tcp", port=port, why="rules for SpamAssassin")
    for port in (80, 443)
)
UNITS = (
    Unit(name="spam-rules.timer"),
    Unit(name="spam-learn.path"),
    Unit(name="spam-bayes.timer"),
)
STATE = (
    # Newer rules than the image's.
    State(path="/var/lib/spamassassin", kind="rebuildable"),
    State(path="/var/spool/spam-learn", kind="cache"),
)
FILES = {
    # Read by amavis, which is in that group, and by whoever checks new rules against it.
    "/etc/spamassassin/90-instance.cf": Attributes(mode="0640", group="debian-spamd"),
    "/etc/spamassassin/channels": Attributes(mode="0644"),
    "/etc/spamassassin/channels.asc": Attributes(mode="0644"),
}
#: They restart amavis by an init script, once a day.
MASKED = ("spamassassin-maintenance.service", "spamassassin-maintenance.timer")
CHECKS = (
    # Without network tests and without a home to write to.
    (
        *("env", "HOME=/nonexistent", "spamassassin", "--lint", "--local", "--nocreate-prefs"),
        "--cf=bayes_path /dev/shm/lint",
    ),
)
READS = ("/etc/spamassassin",)
#: sa-update reads them at each run; what amavis reads is amavis's.
READERS = (Reader(unit="", files=("/etc/spamassassin/channels", "/etc/spamassassin/channels.asc")),)
SANDBOX = (Sandbox(unit="spam-rules.service", writes=("/var/lib/spamassassin",)),)


@deploy("SpamAssassin")
def spamassassin(settings: Settings) -> None:
    """Install the filter's rules and scores."""
    install(__name__, settings)
