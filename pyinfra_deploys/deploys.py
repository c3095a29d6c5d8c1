"""The step that every room's deploy takes: install its tree.

pyinfra costs half a second to import, and a room is mostly read for its data (the lock, the
firewall, a VM's ports). So it is imported when a deploy is called, never when a room is.
"""

from __future__ import annotations

import sys
from functools import lru_cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyinfra_deploys.room import read

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pyinfra_deploys.settings import Settings

#: Where our own modules are in the image, for the programs there.
LIBRARY = "/usr/lib/postolka"
_CHECKOUT = Path(__file__).resolve().parent.parent


def modules(*patterns: str) -> dict[str, bytes]:
    """Return our own modules by their path in the image; `patterns` are below the checkout."""
    sources = {source for pattern in patterns for source in _CHECKOUT.glob(pattern)}
    return {
        f"{LIBRARY}/{source.relative_to(_CHECKOUT).as_posix()}": source.read_bytes()
        for source in sorted(sources)
    }


def deploy(title: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Mark a function as pyinfra's `@deploy(title)` does: its operations are named after it."""

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        @wraps(function)
        def call(*arguments: Any, **keywords: Any) -> None:  # noqa: ANN401 - as they come
            from pyinfra.api.deploy import deploy as pyinfra_deploy  # noqa: PLC0415 - see above

            pyinfra_deploy(title)(function)(*arguments, **keywords)

        return call

    return decorate


def install(package: str, settings: Settings, *, extra: Mapping[str, bytes] | None = None) -> None:
    """Install the tree of the room `package` (its `__name__`).

    `extra` maps more absolute paths in the image to their bytes. Everything is rendered here and
    now, so that a mistake in a template is known before anything is done.
    """
    from pyinfra_deploys.operations import tree  # noqa: PLC0415 - see above
    from pyinfra_deploys.tree import entries  # noqa: PLC0415 - see above

    room = read(sys.modules[package])
    files = entries(room, settings, _house(settings), extra or {})
    tree.install(name="Install files", entries=files)


@lru_cache(maxsize=1)
def _house(settings: Settings) -> Mapping[str, Any]:
    """Return the image's manifest, for one room after the other."""
    from pyinfra_deploys import server  # noqa: PLC0415 - the server imports every room

    return server.house(settings)
