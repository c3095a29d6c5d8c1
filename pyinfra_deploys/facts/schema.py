"""From what the SQL of PostfixAdmin's tables was made, and from what it would be made now."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from pyinfra.api.facts import FactBase

#: The packages whose versions decide the bytes; the script writes them in this order, dpkg-query's.
PACKAGES = ("mariadb-server-core", "php8.4-cli", "postfixadmin")
_NOW = "now: "


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaState:
    """What a machine has."""

    made_from: str = ""
    """First line of the SQL file; empty where there is none."""
    versions: str = ""
    """`PACKAGE=VERSION` of each package, joined by blanks; one that isn't installed is missing."""


class Schema(FactBase[SchemaState]):
    """The SchemaState of the SQL file at `path`."""

    default = SchemaState

    def command(self, path: str) -> str:
        """Take an absolute path."""
        words = " ".join(PACKAGES)
        return (
            f"head -n 1 {shlex.quote(path)} 2>/dev/null; printf '\\n{_NOW}'; "
            f"dpkg-query -W -f='${{Package}}=${{Version}} ' {words} 2>/dev/null || true"
        )

    def process(self, output: list[str]) -> SchemaState:
        """Return what the two lines say."""
        made_from = next((line for line in output if line.startswith("-- key: ")), "")
        now = next((line for line in output if line.startswith(_NOW)), _NOW)
        return SchemaState(made_from=made_from, versions=now.removeprefix(_NOW).strip())
