"""What the rooms say about themselves, as the image has it (pyinfra_deploys.server.house)."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from postolka.errors import PostolkaError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from postolka.instance.dns import Port
    from postolka.instance.paths import Paths

_FORMAT = 1


def load_house(paths: Paths) -> dict[str, Any]:
    """Return the image's manifest. Raises PostolkaError for one of another form."""
    house: dict[str, Any] = json.loads(paths.house.read_bytes())
    if house.get("format") != _FORMAT:
        raise PostolkaError(str(paths.house), f"has format {house.get('format')!r}, not 1")
    return house


def ports(house: Mapping[str, Any]) -> list[Port]:
    """Return what the image's daemons listen on, as objects."""
    return [cast("Port", SimpleNamespace(**port)) for port in house["ports"]]
