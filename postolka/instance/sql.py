"""The database of accounts, as root of its machine, or its owner elsewhere, speaks with it."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from postolka.errors import PostolkaError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from postolka.instance.model import Instance
    from postolka.instance.paths import Paths

#: Quotas are in bytes.
BYTES_IN_MIB = 1 << 20
_SOCKET = "/run/mysqld/mysqld.sock"
_CONNECT_SECONDS = 10
_TABLES = """\
SELECT COUNT(*) FROM information_schema.tables
WHERE table_schema = 'postfixadmin' AND table_name = 'config';
"""
#: PostfixAdmin may have a row for all domains among them.
_DOMAINS = """\
SELECT domain, active = 1 AND backupmx = 0 FROM postfixadmin.domain
WHERE domain <> 'ALL' ORDER BY domain;
"""
_VERSION = "SELECT COUNT(*) FROM postfixadmin.config WHERE name='version';"


def literal(text: str) -> str:
    """Return `text` as a hexadecimal literal: no character of it can be SQL."""
    introducer = "_ascii" if text.isascii() else "_utf8mb4"
    return f"{introducer} X'{text.encode().hex()}'"


#: A table, and the values of one of its rows by column.
Row = tuple[str, dict[str, str]]


def maildir(address: str) -> str:
    """Return where a mailbox that is made here has its home, below the mail store."""
    local_part, _, domain = address.rpartition("@")
    return f"{domain}/{local_part}/"


def mailbox(address: str, password_hash: str, *, quota_mib: int, name: str = "") -> tuple[Row, Row]:
    """Return a mailbox's row and, as PostfixAdmin has it for each, that of its alias to itself."""
    local_part, _, domain = address.rpartition("@")
    values = {
        "username": address,
        "password": password_hash,
        "name": name,
        "maildir": maildir(address),
        "quota": str(quota_mib * BYTES_IN_MIB),
        "local_part": local_part,
        "domain": domain,
    }
    return ("mailbox", values), alias(address, [address])


def alias(address: str, targets: Iterable[str]) -> Row:
    """Return the row of an alias."""
    domain = address.rpartition("@")[2]
    return "alias", {"address": address, "goto": ",".join(targets), "domain": domain}


def columns(values: Mapping[str, str], dates: Iterable[str]) -> tuple[str, str]:
    """Return the columns of a row, and beside them their literals; `dates` get the time of now."""
    now = dict.fromkeys(dates, "NOW()")
    literals = [*map(literal, values.values()), *now.values()]
    return ", ".join([*values, *now]), ", ".join(literals)


def insert(
    row: Row, dates: Iterable[str] = ("created", "modified"), *, verb: str = "INSERT"
) -> str:
    """Return the statement that writes a row."""
    table, values = row
    names, literals = columns(values, dates)
    return f"{verb} INTO `{table}` ({names}) VALUES ({literals});"


def logged(action: str, domain: str, data: str) -> str:
    """Return the statement for PostfixAdmin's log: who did what."""
    who = f"{os.environ.get('SUDO_USER', 'root')} (postolka-instance)"
    values = {"username": who, "domain": domain, "action": action, "data": data}
    return insert(("log", values), dates=("timestamp",))


def transaction(*statements: str) -> str:
    """Return statements on PostfixAdmin's tables that take effect all or none."""
    lines = ["USE postfixadmin;", "START TRANSACTION;", *statements, "COMMIT;", ""]
    return "\n".join(lines)


class Server:
    """The database that the instance has: its own by the socket as root, or another by TLS.

    Raises PostolkaError where it has none.
    """

    def __init__(self, paths: Paths, instance: Instance) -> None:
        database = instance.database
        if database is None:
            raise PostolkaError("database", "there is none: this server has no mailboxes")
        self._environment = dict(os.environ)
        self._argv = ["mariadb", "--no-defaults"]
        if database.host:
            self._environment["MYSQL_PWD"] = database.postfixadmin
            self._argv += ["--user=postfixadmin", f"--host={database.host}"]
            self._argv += [f"--port={database.port}", f"--ssl-ca={paths.database_ca}"]
            self._argv += ["--ssl-verify-server-cert", f"--connect-timeout={_CONNECT_SECONDS}"]
        else:
            self._argv += ["--user=root", f"--socket={_SOCKET}"]
        self._argv += ["--batch", "--skip-column-names", "--default-character-set=utf8mb4"]

    def has_schema(self) -> bool:
        """Say whether PostfixAdmin's tables are there, to the last."""
        return self.run(_TABLES).strip() == "1" and self.run(_VERSION).strip() != "0"

    def domains(self, *, timeout_seconds: float | None = None) -> dict[str, bool]:
        """Return the domains that it has, and whether each takes mail."""
        rows = self.run(_DOMAINS, timeout_seconds=timeout_seconds).splitlines()
        return {name: takes_mail == "1" for name, takes_mail in (row.split("\t") for row in rows)}

    def run(self, sql: str, *, timeout_seconds: float | None = None) -> str:
        """Run statements and return what they give. Raises PostolkaError."""
        try:
            done = subprocess.run(
                self._argv,
                input=sql,
                capture_output=True,
                text=True,
                check=False,
                env=self._environment,
                timeout=timeout_seconds,
            )
        except subprocess.TimeoutExpired as error:
            raise PostolkaError("database", f"no answer in {timeout_seconds:.0f} s") from error
        if done.returncode:
            # The server names the line and the word it stopped at; the statement may hold a secret.
            problem = done.stderr.strip().splitlines()[-1:] or ["gave no answer"]
            raise PostolkaError("database", problem[0].partition(" near ")[0])
        return done.stdout
