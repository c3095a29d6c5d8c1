"""What the rooms say about themselves, as the image has it (pyinfra_deploys.server.house)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from postolka.errors import PostolkaError

if TYPE_CHECKING:
    from postolka.instance.paths import Paths

_FORMAT = 1


def load_house(paths: Paths) -> dict[str, Any]:
    """Return the image's manifest. Raises PostolkaError for one of another form."""
    house: dict[str, Any] = json.loads(paths.house.read_bytes())
    if house.get("format") != _FORMAT:
        raise PostolkaError(str(paths.house), f"has format {house.get('format')!r}, not 1")
    return house
