"""The instance agent: renders an instance's configuration from its data at each boot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from pyinfra_deploys.deploys import deploy, install
from pyinfra_deploys.room import State, Unit

if TYPE_CHECKING:
    from pyinfra_deploys.settings import Settings

PACKAGES = (
    "python3-cryptography",
    "python3-dnspython",  # not the agent's own: for the services in Python of other rooms
    "python3-jinja2",
    "python3-yaml",
)
_LIBRARY = "/usr/lib/postolka"
_IMPORTS = f"import sys; sys.path.insert(0, {_LIBRARY!r}); import postolka.instance.agent"
UNITS = (
    Unit(name="postolka-instance.service", needs_instance=False),
    Unit(name="postolka-database.service"),
    Unit(name="postolka-ready.service", needs_instance=False),
)
STATE = (State(path="/var/lib/postolka", kind="precious"),)
CHECKS = (
    # The agent's own imports, with the image's Python and nothing but Debian's modules.
    ("/usr/bin/postolka-instance", "--help"),
    ("/usr/bin/python3", "-Ic", _IMPORTS),
)

#: Read at boot: postolka.instance.paths.
_HOUSE = "/usr/share/postolka/house.json"
_CHECKOUT = Path(__file__).parent.parent.parent


def modules() -> dict[str, bytes]:
    """Return the agent's code by its path in the image."""
    package = _CHECKOUT / "postolka"
    sources = [package / "__init__.py", package / "errors.py", *package.glob("instance/*.py")]
    return {
        f"{_LIBRARY}/{source.relative_to(_CHECKOUT).as_posix()}": source.read_bytes()
        for source in sorted(sources)
    }


@deploy("Agent")
def agent(settings: Settings) -> None:
    """Install the agent, its units, and the manifest that tells it what the house has."""
    from pyinfra_deploys import server  # noqa: PLC0415 - the server imports every room

    house = json.dumps(server.house(settings), indent=1, sort_keys=True) + "\n"
    install(__name__, settings, extra={**modules(), _HOUSE: house.encode()})
