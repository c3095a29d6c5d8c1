"""Roundcube's tables: made where there are none, and brought to the form that the image's knows.

From Roundcube's own files. Contract: a run that was cut off while tables were made is finished by
the next; rows are never touched but by Roundcube's own steps from one form to the next.
"""
# ruff: noqa: S608 - the only value in a statement is a number

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from postolka.instance.sql import Server

_DATABASE = "CREATE DATABASE IF NOT EXISTS roundcube CHARACTER SET utf8mb4;\nUSE roundcube;\n"
_TABLE = """\
SELECT COUNT(*) FROM information_schema.tables
WHERE table_schema = 'roundcube' AND table_name = 'system';
"""
_VERSION = "SELECT value FROM roundcube.system WHERE name = 'roundcube-version';"
#: As Roundcube's files write them, and as they may be read again.
_AGAIN = (
    (re.compile(r"^CREATE TABLE (?=`)", re.MULTILINE), "CREATE TABLE IF NOT EXISTS "),
    (re.compile(r"^INSERT INTO (?=`)", re.MULTILINE), "INSERT IGNORE INTO "),
)


def preparation(folder: Path) -> str:
    """Return the SQL that makes the tables, which may be there by half; `folder` is Roundcube's."""
    statements = (folder / "mysql.initial.sql").read_text(encoding="utf-8")
    for pattern, text in _AGAIN:
        statements = pattern.sub(text, statements)
    return f"{_DATABASE}{statements}\n"


def prepare(server: Server, folder: Path) -> None:
    """Make the tables, or change them as a newer Roundcube wants them. Raises PostolkaError."""
    if version := _version(server):
        for step in updates(folder, version):
            server.run(step)
    else:
        server.run(preparation(folder))


def updates(folder: Path, version: int) -> Iterator[str]:
    """Yield the SQL of each step from `version` on; its last statement says that it is done."""
    steps = sorted((int(path.stem), path) for path in (folder / "mysql").glob("*.sql"))
    for number, path in steps:
        if number > version:
            done = f"UPDATE `system` SET value = '{number}' WHERE name = 'roundcube-version';"
            yield f"USE roundcube;\n{path.read_text(encoding='utf-8')}\n{done}\n"


def _version(server: Server) -> int:
    """Return which form the tables have; 0 where they aren't all there."""
    if server.run(_TABLE).strip() == "0":
        return 0
    return int(server.run(_VERSION).strip() or 0)
