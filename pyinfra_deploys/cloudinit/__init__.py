"""cloud-init: reads the platform's user-data and SSH keys, and changes nothing in /etc.

Its settings and the handler of the part that holds instance data lie in cloud-init/, beside the
user-data that they belong to.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import deploy, install
from pyinfra_deploys.room import State

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

# udhcpc: cloud-init depends on one of three DHCP clients, for EC2's metadata before the network is
# up, and this is the one that brings neither a daemon nor an account.
PACKAGES = ("cloud-init", "udhcpc")
MASKED = ("cloud-init-hotplugd.socket",)
STATE = (State(path="/var/lib/cloud", kind="rebuildable"),)
CHECKS = (
    # An unknown key or a wrong type in /etc/cloud is an error here.
    ("/usr/bin/python3", "-Ic", "from cloudinit.stages import Init; Init().read_cfg()"),
)

_FOLDER = Path(__file__).parent.parent.parent / "cloud-init"
_FILES = {
    "/etc/cloud/cloud.cfg.d/90-postolka.cfg": "cloud.cfg.d/90-postolka.cfg",
    "/usr/lib/postolka/cloud-init/postolka_part.py": "postolka_part.py",
}


@deploy("cloud-init")
def cloudinit(settings: Settings) -> None:
    """Install the datasources' settings and the handler of instance data."""
    extra = {path: (_FOLDER / source).read_bytes() for path, source in _FILES.items()}
    install(__name__, settings, extra=extra)
