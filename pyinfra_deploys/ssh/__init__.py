"""OpenSSH, the operator's way in: keys only, open also before the instance has its data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import deploy, install
from pyinfra_deploys.room import Attributes, Port, State, Unit, User

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

PACKAGES = ("openssh-server",)
USERS = (
    User(name="sshd", id=113, home="/run/sshd", comment="sshd user"),
    User(name="_ssh", id=142, is_group_only=True),
)
PORTS = (Port(number=22, name="ssh", needs_instance=False),)
UNITS = (Unit(name="ssh.service", needs_instance=False),)
STATE = (State(path="/var/lib/postolka/ssh", kind="precious"),)
FILES = {"/usr/libexec/postolka/ssh-host-keys": Attributes(mode="0755")}
#: Host keys come from postolka-ssh-keys.service, which ssh.service requires.
MASKED = ("sshd-keygen.service",)
#: -G parses everything without a host key, which no image holds.
CHECKS = (("/usr/sbin/sshd", "-G"),)
READS = ("/etc/ssh",)
EFFECTIVE = (("sshd", "-T"),)


@deploy("SSH")
def ssh(settings: Settings) -> None:
    """Install the SSH server's configuration and the unit that makes its host keys."""
    install(__name__, settings)
