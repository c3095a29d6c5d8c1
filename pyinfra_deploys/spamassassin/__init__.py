"""SpamAssassin, which amavis runs as a library: its rules, scores, and what it has learnt.

Debian's rules are in the image; one statistics of words (Bayes) a site is on the state partition.
There is no spamd.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import deploy, install
from pyinfra_deploys.room import Attributes, State, User

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
#: Newer rules than the image's.
STATE = (State(path="/var/lib/spamassassin", kind="rebuildable"),)
FILES = {
    # Read by amavis, which is in that group, and by whoever checks new rules against it.
    "/etc/spamassassin/90-instance.cf": Attributes(mode="0640", group="debian-spamd"),
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


@deploy("SpamAssassin")
def spamassassin(settings: Settings) -> None:
    """Install the filter's rules and scores."""
    install(__name__, settings)
