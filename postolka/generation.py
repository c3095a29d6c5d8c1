"""What finished builds are called in the store: one path for an image, one for a root alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

from postolka.errors import PostolkaError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Want = Literal["disk", "root"]
#: Name of the store path that a finished build ends in, by what was wanted.
NAMES: dict[Want, str] = {"disk": "golden", "root": "root"}
#: In that path: what it was made from.
MANIFEST = "image.json"


def manifest(path: Path) -> dict[str, Any]:
    """Read what the finished build at `path` was made from."""
    try:
        data: dict[str, Any] = json.loads((path / MANIFEST).read_text())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise PostolkaError(str(path), "not an image of this store") from error
    except ValueError as error:
        raise PostolkaError(str(path / MANIFEST), f"not JSON: {error}") from error
    return data


def needs(path: Path, data: Mapping[str, Any] | None = None) -> frozenset[str]:
    """Return the names of the store paths of the finished build at `path`: its own, its layers'.

    `data` is its manifest, where that has been read.
    """
    data = manifest(path) if data is None else data
    layers = [layer.partition("/")[0] for layer in data["root_layers"]]
    return frozenset([path.name, *layers, *data.get("paths", ())])
