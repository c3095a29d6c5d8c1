"""Where each mailbox's mail lies, and what becomes of it once its mailbox is gone.

Below the mail store a home is `domain/local part`, or, where PostfixAdmin made the mailbox,
`domain/local part,number` (config.local.php): so whoever gets an address by its pages, which can't
move anything, has a home of his own.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from postolka.errors import PostolkaError
from postolka.instance.sql import literal, maildir

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from postolka.instance.paths import Paths
    from postolka.instance.sql import Server

#: Never a place outside the store, nor a hidden one.
_MAILDIR = re.compile(r"[^/.][^/]*/[^/.][^/]*")


class Homes:
    """The homes below one machine's mail store."""

    def __init__(self, paths: Paths, server: Server) -> None:
        self._paths = paths
        self._server = server

    def of(self, address: str) -> Path:
        """Return a mailbox's home; without a mailbox, the one that its next would have.

        Raises PostolkaError for a row that leads elsewhere.
        """
        rows = self._maildirs(f"WHERE username = {literal(address)}")
        if not rows:
            return self.default(address)
        if not _MAILDIR.fullmatch(rows[0]):
            raise PostolkaError(address, f"its maildir is {rows[0]!r}, not domain/local part/")
        return self._paths.mail / rows[0]

    def default(self, address: str) -> Path:
        """Return the home of a mailbox that `user add` makes."""
        return self._paths.mail / maildir(address)

    def set_aside(self, home: Path) -> Path | None:
        """Move a home to where no later owner of its address looks; return where, if it existed."""
        if not home.exists():
            return None
        address = f"{home.name.partition(',')[0]}@{home.parent.name}"
        stamp = f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%S}"
        aside = _free(lambda number: self._paths.deleted_mail / f"{address}.{stamp}.{number}")
        home.rename(aside)
        # From now on its days are counted (postolka-deleted-mail.service).
        os.utime(aside)
        return aside

    def set_aside_ownerless(self) -> list[Path]:
        """Move aside every home that is no mailbox's, as PostfixAdmin leaves them; return where."""
        # First: a home that is there has a mailbox by the time that the database is asked.
        homes = sorted(home for home in self._paths.mail.glob("[!.]*/*") if home.is_dir())
        owned = set(self._maildirs())
        ownerless = [home for home in homes if str(home.relative_to(self._paths.mail)) not in owned]
        return [aside for aside in map(self.set_aside, ownerless) if aside]

    def _maildirs(self, where: str = "") -> list[str]:
        query = f"USE postfixadmin;\nSELECT maildir FROM mailbox {where} ORDER BY 1;\n"
        return [row.rstrip("/") for row in self._server.run(query).splitlines()]


def _free(path: Callable[[int], Path]) -> Path:
    """Return the first of the numbered paths at which there is nothing."""
    number = 0
    while path(number).exists():
        number += 1
    return path(number)
