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
def made(path: str, script: str) -> Generator[StringCommand, None, None]:
    """Have the SQL at `path` be what the shell's `script` makes of the installed packages.

    It gets the path and the key that the first line is to hold. It starts a database server of its
    own for a second, so it runs only where it or a package has changed.
    """
    key = hashlib.sha256(script.encode()).hexdigest()
    found = host.get_fact(Schema, path=path)
    if found.made_from != f"-- key: {key} {found.versions}":
        # Read as a whole first: what it starts mustn't read the rest of it.
        run = 'script=$(cat); exec sh -c "$script" "$@" </dev/null'
        words = ("sh", "-c", QuoteString(run), "sh", "schema", QuoteString(path), key)
        yield StringCommand(*words, _stdin=script)
