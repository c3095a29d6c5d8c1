"""The system below every service: init, network, login, journal, state directories.

What must be the same in every image but would break a stock machine that carries the rooms (an
empty fstab and machine-id, the host's name, the mounts of /home and /root) isn't here: the image's
own layers do it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import deploy, install
from pyinfra_deploys.room import Attributes, Egress, State, Unit, User

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

PACKAGES = (
    "ca-certificates",
    "dbus",
    "e2fsprogs",  # the state partition; cloud-init's network stage fails without resize2fs, too
    "iproute2",
    "iputils-ping",
    "kmod",
    "less",
    "libnss-myhostname",  # the machine knows its own name, without a line in /etc/hosts
    "libpam-systemd",
    "login",
    "netbase",
    "passwd",
    "procps",
    "sudo",
    "systemd",
    "systemd-sysv",
    "tzdata",
    "udev",
    "zstd",
)
# The accounts and groups that these packages make at install or at boot, by systemd-sysusers.
USERS = (
    User(name="systemd-network", id=110, home="/", comment="systemd Network Management"),
    User(name="messagebus", id=112, comment="System Message Bus"),
    User(name="systemd-journal", id=140, is_group_only=True),
    User(name="render", id=143, is_group_only=True),
    User(name="input", id=144, is_group_only=True),
    User(name="sgx", id=145, is_group_only=True),
    User(name="clock", id=146, is_group_only=True),
    User(name="kvm", id=147, is_group_only=True),
    # The operator: comes in by SSH with a key of the platform's, and has no password.
    User(  # noqa: S604 - a login shell, no subprocess
        name="admin",
        id=1000,
        home="/home/admin",
        shell="/bin/bash",
        comment="Operator",
        groups=("adm", "sudo", "systemd-journal"),
    ),
)
EGRESS = (
    Egress(user="systemd-network", protocol="udp", port=67, why="addresses (DHCP)"),
    Egress(user="systemd-network", protocol="udp", port=547, why="addresses (DHCPv6)"),
)
UNITS = (Unit(name="systemd-networkd.service", needs_instance=False),)
STATE = (
    # Who may log in is what the platform says today, not what a backup does.
    State(path="/home", kind="precious", restore="add"),
    State(path="/root", kind="precious", restore="add"),
    State(path="/var/lib/systemd", kind="rebuildable"),
    State(path="/var/log/journal", kind="rebuildable"),
    State(path="/var/tmp", kind="cache"),  # noqa: S108 - a fact, not a file of ours
)
FILES = {
    "/etc/postolka/authorities.pem": Attributes(mode="0644"),
    "/etc/sudoers.d/postolka": Attributes(mode="0440"),
}
PRIVILEGED = ("/usr/bin/sudo",)
CHECKS = (
    ("visudo", "--check", "--quiet", "--file=/etc/sudoers.d/postolka"),
    # Reads all of /etc and /usr/lib; a wrong line in any of them is an error.
    ("systemd-tmpfiles", "--create", "--dry-run"),
)
READS = ("/etc/sudoers.d", "/usr/lib/tmpfiles.d")
EFFECTIVE = (("systemd-analyze", "cat-config", "--no-pager", "systemd/journald.conf"),)


@deploy("Base")
def base(settings: Settings) -> None:
    """Install the machine's own configuration."""
    install(__name__, settings)
