"""The one Jinja2 environment in which every configuration file is rendered, at bake and at boot."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import jinja2

if TYPE_CHECKING:
    from collections.abc import Mapping


def environment(loader: jinja2.BaseLoader | None = None) -> jinja2.Environment:
    """Return an environment where an unknown name is an error and a tag's line leaves no trace."""
    return jinja2.Environment(
        loader=loader,
        autoescape=False,  # noqa: S701 - configuration files, not HTML; values are of safe grammars
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def attributes(data: Mapping[str, Any]) -> SimpleNamespace:
    """Return nested mappings as nested objects, so that templates write `settings.postfix.x`."""
    return SimpleNamespace(
        **{
            name: attributes(value) if isinstance(value, dict) else value
            for name, value in data.items()
        }
    )
