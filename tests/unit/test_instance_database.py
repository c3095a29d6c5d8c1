"""Seeds: the SQL that creates what data name, once, whatever the values are."""

from __future__ import annotations

import re

from postolka.instance import database
from postolka.instance.model import Alias
from tests.unit.golden import EXAMPLE, check


def _readable(sql: str) -> str:
    """Return SQL with its hexadecimal literals decoded."""
    return re.sub(r"_ascii X'([0-9a-f]*)'", lambda m: repr(bytes.fromhex(m[1]).decode()), sql)


def test_seeds_are_those_of_the_data() -> None:
    """Domains, mailboxes with their own alias, roles, and PostfixAdmin's superadmin."""
    check("agent", "seeds.sql", _readable(database.seeds(EXAMPLE)))


def test_values_are_no_syntax() -> None:
    """Every value is a hexadecimal literal: not even a quote that got by would be SQL."""
    alias = Alias(address="a@example.test", targets=("'; DROP TABLE mailbox; --@x.test",))
    from dataclasses import replace  # noqa: PLC0415

    sql = database.seeds(replace(EXAMPLE, aliases=(alias,)))
    assert "DROP" not in sql
    assert "$6$salt$hash" not in sql


def test_all_or_nothing() -> None:
    """Rows and the notes that they were made are one transaction."""
    lines = database.seeds(EXAMPLE).splitlines()
    assert (lines[1], lines[-1]) == ("START TRANSACTION;", "COMMIT;")
