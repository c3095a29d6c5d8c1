"""The database's configuration and the rights of its accounts."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from pyinfra_deploys import mariadb
from pyinfra_deploys.sections import MariadbSettings
from pyinfra_deploys.settings import Settings
from tests.unit import golden

_CONFIGURATION = "/etc/mysql/mariadb.conf.d/90-postolka.cnf"
_GRANTS = "/etc/mysql/postolka-grants.sql"


def test_configuration_is_golden() -> None:
    """The server's configuration is the one that was read and tried."""
    golden.check("mariadb", _CONFIGURATION, golden.baked(mariadb)[_CONFIGURATION])


def test_grants_are_golden() -> None:
    """The accounts' passwords and rights are the ones that were read and tried."""
    golden.check("mariadb", _GRANTS, golden.rendered(mariadb)[_GRANTS])


def test_buffer_pool_is_a_setting() -> None:
    """mariadb.buffer_pool_mib is InnoDB's buffer pool."""
    settings = replace(Settings(), mariadb=MariadbSettings(buffer_pool_mib=512))
    text = golden.baked(mariadb, settings)[_CONFIGURATION].decode()
    assert "innodb_buffer_pool_size = 512M\n" in text


def _rights(wanted: str) -> set[tuple[str, str]]:
    """Return who may do what (SELECT, UPDATE …) with a column of the table of mailboxes."""
    text = golden.rendered(mariadb)[_GRANTS]
    form = re.compile(r"^GRANT (.*?)\n  ON (\S+) TO '(\w+)'@'localhost';", re.MULTILINE)
    grants = form.findall(text)
    assert len(grants) == text.count("GRANT ") - text.count("GRANT OPTION")
    return {
        (account, verb)
        for rights, table, account in grants
        if table in {"postfixadmin.*", "postfixadmin.mailbox"}
        for verb, columns in re.findall(r"([A-Z]+)(?: \((.*?)\))?", rights)
        if not columns or wanted in columns.split(", ")
    }


def test_only_dovecot_and_postfixadmin_may_read_password_hashes() -> None:
    """No grant but theirs covers mailbox.password."""
    assert {name for name, verb in _rights("password") if verb == "SELECT"} == {
        "dovecot",
        "postfixadmin",
    }


def test_roundcube_may_write_passwords_and_read_none() -> None:
    """A user changes the own one there; whoever took Roundcube over wouldn't get the others'."""
    assert {verb for name, verb in _rights("password") if name == "roundcube"} == {"UPDATE"}
    assert {verb for name, verb in _rights("quota") if name == "roundcube"} == set()


def test_database_has_no_port() -> None:
    """Nothing reaches the database by TCP, not even from this machine."""
    assert "\nskip-networking\n" in golden.baked(mariadb)[_CONFIGURATION].decode()
    assert not hasattr(mariadb, "PORTS")


@pytest.mark.parametrize(
    ("found", "left"),
    [(b"", []), (bytes(24576), []), (b"\xfe\x23\x05\x74\x02" + bytes(24571), ["tc.log"])],
    ids=["empty", "zeros", "begun"],
)
def test_transaction_log_goes_only_where_it_never_began(
    tmp_path: Path, found: bytes, left: list[str]
) -> None:
    """Without its header it would stop every start; with it, it may hold a transaction."""
    (tmp_path / "tc.log").write_bytes(found)
    script = Path(mariadb.__file__).parent / "rootfs/usr/lib/postolka/mariadb-tc-log"
    for _ in range(2):
        subprocess.run([script, tmp_path], check=True)
        assert [path.name for path in tmp_path.iterdir()] == left
