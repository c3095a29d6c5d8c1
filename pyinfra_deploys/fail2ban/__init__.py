"""fail2ban: who keeps guessing passwords is shut out for a while, by address.

One jail for all logins: those of mail programs, which Dovecot checks for Postfix, too, and those by
web, which Apache notes. The bans are elements of two sets in the room nftables' ruleset.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import deploy, install
from pyinfra_deploys.room import Attributes, Reader, State, Unit, complaints, plain
from pyinfra_deploys.sandbox import WITH_NETLINK, Sandbox

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

PACKAGES = ("fail2ban",)
UNITS = (Unit(name="fail2ban.service"),)
STATE = (State(path="/var/lib/fail2ban", kind="cache"),)
FILES = {"/etc/fail2ban/jail.d/allowed.conf": Attributes(mode="0644")}
_TEST = ("fail2ban-client", "--test")
CHECKS = (_TEST,)
READS = ("/etc/fail2ban",)
READERS = (Reader(unit="fail2ban.service", files=("/etc/fail2ban",)),)
CHECKERS = (complaints("fail2ban-client --test", "OK"),)
EFFECTIVE = (
    plain("/etc/fail2ban/jail.conf", "/etc/fail2ban/jail.d/allowed.conf"),
    ("fail2ban-client", "--dump-pretty"),
)
SANDBOX = (
    # It reads the journal and runs nft, as root; nft has a SELinux domain of its own.
    Sandbox(
        unit="fail2ban.service",
        writes=("/run/fail2ban", "/var/lib/fail2ban"),
        capabilities=("DAC_READ_SEARCH", "NET_ADMIN"),
        families=WITH_NETLINK,
        gains_privileges=True,
    ),
)


@deploy("fail2ban")
def fail2ban(settings: Settings) -> None:
    """Install the jail."""
    install(__name__, settings)
