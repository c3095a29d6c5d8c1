"""The instance agent: renders an instance's configuration from its data at each boot."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import LIBRARY, deploy, install, modules
from pyinfra_deploys.room import State, Unit

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

PACKAGES = (
    "python3-cryptography",
    "python3-dnspython",  # not the agent's own: for the services in Python of other rooms
    "python3-jinja2",
    "python3-yaml",
)
_IMPORTS = f"import sys; sys.path.insert(0, {LIBRARY!r}); import postolka.instance.agent"
UNITS = (
    Unit(name="postolka-instance.service", needs_instance=False),
    Unit(name="postolka-exceptions.timer"),
    Unit(name="postolka-ready.service", needs_instance=False),
)
#: The note follows from the data.
STATE = (State(path="/var/lib/postolka", kind="precious", excludes=("database-elsewhere",)),)
CHECKS = (
    # The agent's own imports, with the image's Python and nothing but Debian's modules.
    ("/usr/bin/postolka-instance", "--help"),
    ("/usr/bin/python3", "-Ic", _IMPORTS),
)
READS = ("/usr/bin/postolka-instance", LIBRARY)

#: Read at boot: postolka.instance.paths.
_HOUSE = "/usr/share/postolka/house.json"
_CODE = ("postolka/__init__.py", "postolka/errors.py", "postolka/instance/**/*.py")


@deploy("Agent")
def agent(settings: Settings) -> None:
    """Install the agent, its units, and the manifest that tells it what the house has."""
    from pyinfra_deploys import server  # noqa: PLC0415 - the server imports every room

    house = json.dumps(server.house(settings), indent=1, sort_keys=True) + "\n"
    install(__name__, settings, extra={**modules(*_CODE), _HOUSE: house.encode()})
