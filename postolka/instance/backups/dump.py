"""The database's dump: one transaction's view of all databases, whatever is written meanwhile."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

from postolka.errors import PostolkaError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

#: The server's own: accounts and their rights come from the instance's data.
_SYSTEM = ("information_schema", "mysql", "performance_schema", "sys")
#: --single-transaction: one consistent view, and no lock that mail would wait for (InnoDB).
#: Without a date the dump of what hasn't changed is the same, and costs the repository nothing.
_OPTIONS = (
    *("--single-transaction", "--no-tablespaces", "--skip-triggers", "--hex-blob"),
    *("--skip-dump-date", "--default-character-set=utf8mb4"),
)
_CONNECT = "--connect-timeout=10"


def write(database: Mapping[str, Any], path: Path) -> None:
    """Write the dump to `path`. Raises PostolkaError, and then what was there before is gone."""
    arguments, password = database["arguments"], database["password"]
    said = _run(
        ["mariadb", "--no-defaults", _CONNECT, *arguments], password, "-NBe", "SHOW DATABASES"
    )
    names = [name for name in said.split() if name not in _SYSTEM]
    if not names:
        raise PostolkaError("database", "has nothing to dump")
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.unlink(missing_ok=True)
    argv = ["mariadb-dump", "--no-defaults", *arguments, *_OPTIONS]
    _run(argv, password, f"--result-file={path}", "--databases", *names)


def _run(argv: Sequence[str], password: str, *words: str) -> str:
    environment = {"PATH": "/usr/bin", "LANG": "C.UTF-8", "MYSQL_PWD": password}
    done = subprocess.run(
        [*argv, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or ["gave no answer"]
        raise PostolkaError("database", said[0])
    return done.stdout
