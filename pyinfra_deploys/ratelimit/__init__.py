"""A limit on what a login may send in an hour, with an alarm: a stolen password does less harm.

A small policy service of ours (postolka/instance/ratelimit.py). Debian's two don't fit: postfwd's
rates raise no alarm; policyd-rate-limit doesn't see mails sent by BDAT (RFC 3030), and reports
once a day over port 25, which relays for nobody here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import deploy, install
from pyinfra_deploys.room import Unit, User
from pyinfra_deploys.sandbox import WITH_NETLINK, Sandbox

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

SETTING = "base.mailboxes"
USERS = (User(name="ratelimit", id=172),)
UNITS = (Unit(name="postolka-ratelimit.service", setting="ratelimit.enabled"),)
SANDBOX = (
    Sandbox(
        unit="postolka-ratelimit.service",
        writes=("/var/spool/postfix/maildrop",),
        families=WITH_NETLINK,
        # sendmail(1) hands the alarm over by a program of the group postdrop.
        gains_privileges=True,
    ),
)


@deploy("Rate limit")
def ratelimit(settings: Settings) -> None:
    """Install the policy service."""
    install(__name__, settings)
