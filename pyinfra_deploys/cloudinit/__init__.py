"""cloud-init: reads the platform's user-data and SSH keys, and changes nothing in /etc.

Its settings and the handler of the part that holds instance data lie in cloud-init/, beside the
user-data that they belong to.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import deploy, install
from pyinfra_deploys.room import Egress, State

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

# udhcpc: cloud-init depends on one of three DHCP clients, for EC2's metadata before the network is
# up, and this is the one that brings neither a daemon nor an account.
PACKAGES = ("cloud-init", "udhcpc")
EGRESS = (
    Egress(
        user="root",
        protocol="tcp",
        port=80,
        why="the cloud's metadata",
        # EC2's, and those of the clouds that speak like it.
        addresses=("169.254.169.254", "fd00:ec2::254"),
    ),
)
MASKED = ("cloud-init-hotplugd.socket",)
STATE = (State(path="/var/lib/cloud", kind="rebuildable"),)
# cloud-init passes over a file of settings that it can't read and a module that it hasn't got, with
# a warning that nobody sees: so read them as it does, and look for what they name.
_CHECK = """
from cloudinit.config.modules import Modules
from cloudinit.stages import Init
init = Init()
init.read_cfg()
assert init.cfg["datasource_list"] == ["NoCloud", "Ec2", "None"], init.cfg["datasource_list"]
for section in ("cloud_init_modules", "cloud_config_modules", "cloud_final_modules"):
    modules = Modules(init)
    named = modules._read_modules(section)
    found = modules._fixup_modules(named)
    assert 0 < len(named) < 4 and len(found) == len(named), (section, named)
"""
CHECKS = (("/usr/bin/python3", "-Ic", _CHECK),)
READS = ("/etc/cloud", "/usr/lib/postolka/cloud-init")

_FOLDER = Path(__file__).parent.parent.parent / "cloud-init"
#: Files of cloud-init/ by their path in the image.
FILES_OF_CLOUD_INIT = {
    "/etc/cloud/cloud.cfg.d/90-postolka.cfg": "cloud.cfg.d/90-postolka.cfg",
    "/usr/lib/postolka/cloud-init/postolka_part.py": "postolka_part.py",
}


@deploy("cloud-init")
def cloudinit(settings: Settings) -> None:
    """Install the datasources' settings and the handler of instance data."""
    extra = {path: (_FOLDER / source).read_bytes() for path, source in FILES_OF_CLOUD_INIT.items()}
    install(__name__, settings, extra=extra)
