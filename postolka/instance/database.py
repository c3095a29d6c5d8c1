"""Bring tables, accounts and seeds into the database, at each boot.

Contract: every statement may be repeated, and a run that was cut off anywhere is finished by the
next. Domains, mailboxes and aliases of the data are created once; what an operator then changes or
deletes in SQL stays changed or deleted.
"""
# ruff: noqa: S608 - each value in a statement is a hexadecimal literal

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from postolka.errors import PostolkaError
from postolka.instance import roundcube, sql
from postolka.instance.parse import parse
from postolka.instance.sql import Server, literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postolka.instance.model import Instance
    from postolka.instance.paths import Paths

_PRINT = "postolka-instance database --print"
#: A unit of its own each time, systemd's limit on starts is for what fails at once.
_AGAIN_SECONDS = 20
_AGAIN = (
    *("systemd-run", "--collect", "--description=Try the database elsewhere again"),
    *(f"--on-active={_AGAIN_SECONDS}", "--timer-property=AccuracySec=1"),
    *("/usr/bin/postolka-instance", "database"),
)
_PREPARE = """\
CREATE DATABASE IF NOT EXISTS postfixadmin CHARACTER SET utf8mb4;
CREATE DATABASE IF NOT EXISTS postolka CHARACTER SET ascii;
CREATE TABLE IF NOT EXISTS postolka.seeded (
  item VARCHAR(300) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY
) ENGINE=InnoDB COMMENT='What instance data have created already';
"""


def apply(paths: Paths) -> None:
    """Do it with the data that the machine was configured from.

    Raises PostolkaError with the server's words where it refuses a statement. What is wrong with a
    database elsewhere is noted for `status` instead, and it is tried again soon: no other image
    would mend it.
    """
    instance = parse(paths.kept.read_bytes(), where=str(paths.kept))
    server = Server(paths, instance)
    # The local one sees by its condition whether it is wanted; without a change nothing happens.
    verb = "restart" if instance.database_elsewhere else "start"
    subprocess.run(["systemctl", verb, "mariadb.service"], check=False)
    if not instance.database_elsewhere:
        _prepare(server, paths)
        server.run(seeds(instance))
        return
    try:
        _check_prepared(server)
        server.run(seeds(instance))
        paths.database_problem.unlink(missing_ok=True)
    except PostolkaError as error:
        text = f"{error.problem}; a new one is prepared by what `{_PRINT}` shows"
        paths.database_problem.write_text(text, encoding="utf-8")
        subprocess.run(_AGAIN, check=False)


def _prepare(server: Server, paths: Paths) -> None:
    server.run(_PREPARE)
    if not server.has_schema():
        server.run(_schema(paths))
    roundcube.prepare(server, paths.roundcube_sql)
    if paths.grants.exists():
        server.run(paths.grants.read_text(encoding="utf-8"))


def _check_prepared(server: Server) -> None:
    if not server.has_schema():
        raise PostolkaError("database", "has no tables")


def preparation(paths: Paths) -> str:
    """Return the SQL by which its administrator prepares a database elsewhere; it holds secrets."""
    tables = f"{_schema(paths)}{roundcube.preparation(paths.roundcube_sql)}"
    return f"{_PREPARE}{tables}{paths.grants.read_text(encoding='utf-8')}"


def _schema(paths: Paths) -> str:
    """Return the tables; they may be there by half, each is made where it is missing."""
    return f"USE postfixadmin;\n{paths.schema.read_text(encoding='utf-8')}"


def seeds(instance: Instance) -> str:
    """Return the SQL that creates what the data name and what was never created before."""
    return sql.transaction(*(statement for item in _items(instance) for statement in item))


def domain_again(instance: Instance, name: str) -> list[str]:
    """Return the statements that create a domain's rows though they were created before."""
    aliases = (alias for alias in instance.all_aliases if alias.address.endswith(f"@{name}"))
    rows = [_domain(name), *(sql.alias(alias.address, alias.targets) for alias in aliases)]
    return [sql.insert(row, verb="INSERT IGNORE") for row in rows]


def _items(instance: Instance) -> Iterator[tuple[str, ...]]:
    """Yield the statements of each domain, mailbox, alias and of the superadmin."""
    for domain in instance.domains:
        yield _once("domain", domain.name, _domain(domain.name))
    for account in instance.mailboxes:
        address, quota_mib = account.address, account.quota_mib
        rows = sql.mailbox(address, account.password_hash, quota_mib=quota_mib)
        yield _once("mailbox", address, *rows)
    for alias in instance.all_aliases:
        yield _once("alias", alias.address, sql.alias(alias.address, alias.targets))
    name = instance.admin.address
    admin = {"username": name, "password": instance.admin.password_hash, "superadmin": "1"}
    everything = {"username": name, "domain": "ALL"}
    yield _once("admin", name, ("admin", admin), ("domain_admins", everything))


def _domain(name: str) -> sql.Row:
    return "domain", {"domain": name, "description": "", "transport": "virtual"}


def _once(kind: str, name: str, *rows: sql.Row) -> tuple[str, ...]:
    """Return the statements that insert `rows` (table, values) unless `name` was seeded before."""
    item = literal(f"{kind} {name}")
    unless = f"WHERE NOT EXISTS (SELECT 1 FROM postolka.seeded WHERE item = {item})"
    inserts = []
    for table, values in rows:
        dates = ("created",) if table == "domain_admins" else ("created", "modified")
        columns, literals = sql.columns(values, dates)
        # IGNORE: a row that the operator made first stays as it is.
        inserts.append(
            f"INSERT IGNORE INTO `{table}` ({columns}) SELECT {literals} FROM DUAL {unless};"
        )
    return (*inserts, f"INSERT IGNORE INTO postolka.seeded (item) VALUES ({item});")
