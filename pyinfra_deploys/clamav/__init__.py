"""ClamAV: looks for viruses in what amavis unpacks.

The signatures are on the state partition. The image brings one for EICAR's test file alone, so that
the scanner runs at once; freshclam fetches the rest, and status says so until it has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import deploy, install
from pyinfra_deploys.room import Attributes, Egress, Reader, State, Unit, User
from pyinfra_deploys.sandbox import Sandbox

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

SETTING = "clamav.enabled"
PACKAGES = ("clamav-daemon", "clamav-freshclam")
USERS = (
    # It reads what amavis has unpacked.
    User(name="clamav", id=152, home="/var/lib/clamav", groups=("amavis",)),
)
EGRESS = tuple(
    Egress(user="clamav", protocol="tcp", port=port, why="virus signatures", setting=SETTING)
    for port in (80, 443)
)
UNITS = (
    Unit(name="clamav-daemon.socket"),
    Unit(name="clamav-daemon.service"),
    Unit(name="clamav-signatures.timer"),
)
STATE = (State(path="/var/lib/clamav", kind="rebuildable"),)
FILES = {"/etc/clamav/freshclam.conf": Attributes(mode="0644")}
MASKED = (
    # It watches files of users, and this machine has none.
    "clamav-clamonacc.service",
    # freshclam runs by a timer of ours: in between it takes no memory.
    "clamav-freshclam.service",
    "clamav-freshclam-once.service",
    "clamav-freshclam-once.timer",
)
CHECKS = (("clamconf", "--config-dir=/etc/clamav"),)
READS = ("/etc/clamav",)
READERS = (Reader(unit="", files=("/etc/clamav/freshclam.conf",)),)
SANDBOX = (
    Sandbox(
        unit="clamav-daemon.service",
        writes=("/run/clamav", "/var/lib/clamav", "-/var/log/clamav"),
        # It becomes clamav.
        capabilities=("CHOWN", "DAC_READ_SEARCH", "SETGID", "SETUID"),
        # Signatures that are programs are compiled.
        writes_code=True,
    ),
    Sandbox(unit="clamav-signatures.service", writes=("/var/lib/clamav",)),
)


@deploy("ClamAV")
def clamav(settings: Settings) -> None:
    """Install the scanner's configuration and its first signatures."""
    install(__name__, settings)
