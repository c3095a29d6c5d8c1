"""The tables of PostfixAdmin as SQL, made by PostfixAdmin's own code."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from pyinfra.api.command import QuoteString, StringCommand
from pyinfra.api.operation import operation
from pyinfra.context import host

from pyinfra_deploys.facts.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Generator


@operation()
def made(path: str, script: str, script_content: bytes) -> Generator[StringCommand, None, None]:
    """Have the SQL at `path` be what `script` makes of the installed packages.

    `script_content` are the bytes of the script that is installed there by now. It starts a
    database server of its own for a second, so it runs only where it or a package has changed.
    """
    digest = hashlib.sha256(script_content).hexdigest()
    found = host.get_fact(Schema, path=path)
    if found.made_from != f"-- key: {digest} {found.versions}":
        yield StringCommand(QuoteString(script), QuoteString(path))
