"""What finished builds are called in the store: one path for an image, one for a root alone."""

from __future__ import annotations

from typing import Literal

Want = Literal["disk", "root"]
#: Name of the store path that a finished build ends in, by what was wanted.
NAMES: dict[Want, str] = {"disk": "golden", "root": "root"}
#: In that path: what it was made from.
MANIFEST = "image.json"
