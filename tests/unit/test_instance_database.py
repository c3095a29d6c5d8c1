"""Seeds: the SQL that creates what data name, once, whatever the values are."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from postolka.instance import database
from postolka.instance.model import Alias
from pyinfra_deploys import amavis, dovecot, mariadb, postfixadmin
from tests.unit.golden import DATABASE, EXAMPLE, check, rendered

if TYPE_CHECKING:
    from types import ModuleType


def _readable(sql: str) -> str:
    """Return SQL with its hexadecimal literals decoded."""
    return re.sub(r"_ascii X'([0-9a-f]*)'", lambda m: repr(bytes.fromhex(m[1]).decode()), sql)


@pytest.mark.parametrize("room", [amavis, dovecot, postfixadmin], ids=lambda room: room.__name__)
def test_no_daemon_asks_the_local_database_then(room: ModuleType) -> None:
    """With a host in the data each connection goes there, by TLS that its authority vouches for."""
    database_ = replace(DATABASE, host="db.test", port=3316, ca_certificate="AAAA")
    local = rendered(room)
    elsewhere = rendered(room, replace(EXAMPLE, database=database_))
    connections = sum(text.count("mysqld.sock") for text in local.values())
    assert connections
    texts = [text for path, text in elsewhere.items() if "mysqld.sock" in local[path]]
    assert "mysqld.sock" not in "".join(texts)
    assert "".join(texts).count("/run/postolka/tls/database.pem") == connections
    assert all("db.test" in text and "3316" in text for text in texts)


def test_accounts_may_come_from_elsewhere_by_tls_only() -> None:
    """In the SQL that the administrator of the other machine's database runs."""
    database_ = replace(DATABASE, host="db.test", ca_certificate="AAAA")
    text = rendered(mariadb, replace(EXAMPLE, database=database_))["/etc/mysql/postolka-grants.sql"]
    assert "@'localhost'" not in text
    assert text.count("CREATE USER ") == text.count(" REQUIRE SSL ")


def test_seeds_are_those_of_the_data() -> None:
    """Domains, mailboxes with their own alias, roles, and PostfixAdmin's superadmin."""
    check("agent", "seeds.sql", _readable(database.seeds(EXAMPLE)))


def test_values_are_no_syntax() -> None:
    """Every value is a hexadecimal literal: not even a quote that got by would be SQL."""
    alias = Alias(address="a@example.test", targets=("'; DROP TABLE mailbox; --@x.test",))
    sql = database.seeds(replace(EXAMPLE, aliases=(alias,)))
    assert "DROP" not in sql
    assert "$6$salt$hash" not in sql


def test_all_or_nothing() -> None:
    """Rows and the notes that they were made are one transaction."""
    lines = database.seeds(EXAMPLE).splitlines()
    assert (lines[1], lines[-1]) == ("START TRANSACTION;", "COMMIT;")
