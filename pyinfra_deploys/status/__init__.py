"""Status: what costs network time to know is looked at by a timer, as a user without rights.

`postolka-instance status` shows what was found, and how long ago (postolka/lookout).
Prometheus gets the same on loopback, and the admin as a page, through Apache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import LIBRARY, deploy, install, modules
from pyinfra_deploys.room import Attributes, Egress, Port, Unit, User
from pyinfra_deploys.sandbox import WITH_NETLINK, Sandbox

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

USERS = (User(name="lookout", id=175),)
EGRESS = (
    Egress(user="lookout", protocol="tcp", port=25, why="whether mail can leave"),
    Egress(user="lookout", protocol="tcp", port="relay", why="whether relay hosts answer"),
)
PORTS = (
    Port(
        number=9154,
        name="metrics",
        is_public=False,
        needs_instance=False,
        setting="status.metrics",
    ),
)
UNITS = (
    Unit(name="postolka-lookout.timer"),
    Unit(name="postolka-metrics.socket", needs_instance=False, setting="status.metrics"),
    Unit(name="postolka-statuspage.socket", setting="status.page"),
)
_PROGRAM = Attributes(mode="0755")
FILES = {
    "/usr/libexec/postolka/lookout": _PROGRAM,
    "/usr/libexec/postolka/lookout-facts": _PROGRAM,
    "/usr/libexec/postolka/metrics": _PROGRAM,
    "/usr/libexec/postolka/statuspage": _PROGRAM,
}
_CODE = ("postolka/live.py", "postolka/lookout/*.py", "postolka/published.py")
_IMPORTS = f"import sys; sys.path.insert(0, {LIBRARY!r}); import postolka.lookout.look"
CHECKS = (
    # The program's own imports, with the image's Python and nothing but Debian's modules.
    ("/usr/bin/python3", "-Ic", _IMPORTS),
)
READS = (LIBRARY,)
# Root, as status needs it: the queue, the database's socket, the firewall's counters. They change
# nothing, and read one request. nft and postqueue have SELinux domains of their own.
SANDBOX = (
    *(
        Sandbox(
            unit=unit,
            capabilities=("DAC_READ_SEARCH", "NET_ADMIN"),
            families=WITH_NETLINK,
            gains_privileges=True,
        )
        for unit in ("postolka-metrics@.service", "postolka-statuspage@.service")
    ),
    Sandbox(unit="postolka-lookout.service"),
)


@deploy("Status")
def status(settings: Settings) -> None:
    """Install the lookout and its timer."""
    install(__name__, settings, extra=modules(*_CODE))
