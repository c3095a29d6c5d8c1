"""Accounts: an inactive one is refused everywhere, and the database's may do their own only."""
# ruff: noqa: S608 - a test's own statements

from __future__ import annotations

import imaplib
import smtplib
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from postolka import mailclient
from postolka.acceptance import compose
from postolka.lab import post, world
from tests.container import managesieve
from tests.container.conftest import sql, ssh
from tests.container.managesieve import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postolka.acceptance import Subject
    from postolka.machines import Machine
    from postolka.mailclient import Login

#: A row's table, and the column that its name is in.
_ROWS = {"mailbox": "username", "domain": "domain"}


@contextmanager
def _inactive(machine: Machine, table: str, name: str) -> Iterator[None]:
    change = f"UPDATE {table} SET active={{}} WHERE {_ROWS[table]}='{name}'"
    sql(machine, change.format(0))
    try:
        yield
    finally:
        sql(machine, change.format(1))


@pytest.mark.parametrize("table", list(_ROWS))
def test_inactive_account_is_refused_everywhere(
    subject: Subject, machine: Machine, bob: Login, table: str
) -> None:
    """A mailbox, or its whole domain, switched off by PostfixAdmin: no login, no mail."""
    name = bob.address if table == "mailbox" else subject.domain
    mail = compose(bob.address, [world.FRIEND], "Not any more")
    with _inactive(machine, table, name):
        with pytest.raises(imaplib.IMAP4.error), mailclient.inbox(subject.server, bob):
            pass
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            mailclient.submit(subject.server, bob, [world.FRIEND], bytes(mail))
        assert refused.value.smtp_code == 535
        with pytest.raises(RefusedError), managesieve.session(subject, bob):
            pass
        with post.stranger(subject.lab, subject.address) as client:
            client.mail(world.STRANGER)
            assert client.rcpt(bob.address)[0] // 100 == 5
    with mailclient.inbox(subject.server, bob) as inbox:
        assert inbox.state == "SELECTED"


def _as_account(machine: Machine, account: str, statement: str) -> str:
    """Run a statement with an account's own password; return the error, or what it gave."""
    password = (
        "sudo python3 -c 'import sys, yaml; "
        f'print(yaml.safe_load(open("/var/lib/postolka/instance.yaml"))["database"]["{account}"])\''
    )
    command = f"MYSQL_PWD=$({password}) mariadb -u {account} -N postfixadmin -e"
    done = subprocess.run(
        [*machine.ssh(), f'{command} "{statement}" 2>&1'],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.stdout


_DENIED = "command denied"


@pytest.mark.parametrize(
    ("account", "statement"),
    [
        ("postfix", "SELECT username, active FROM mailbox"),
        ("dovecot", "SELECT username, password FROM mailbox"),
        ("dovecot", "SELECT bytes FROM quota2"),
        ("dovecot_quota", "UPDATE quota2 SET messages=messages"),
        ("postfixadmin", "UPDATE mailbox SET name=name"),
    ],
)
def test_database_account_may_do_its_own(machine: Machine, account: str, statement: str) -> None:
    """What each daemon needs."""
    assert "ERROR" not in _as_account(machine, account, statement)


@pytest.mark.parametrize(
    ("account", "statement"),
    [
        ("postfix", "SELECT password FROM mailbox"),
        ("postfix", "UPDATE alias SET goto=goto"),
        ("postfix", "SELECT * FROM admin"),
        ("dovecot", "UPDATE mailbox SET active=active"),
        ("dovecot", "UPDATE quota2 SET messages=messages"),
        ("dovecot", "SELECT * FROM admin"),
        ("dovecot_quota", "SELECT username FROM mailbox"),
        ("dovecot_quota", "UPDATE mailbox SET quota=quota"),
        ("postfixadmin", "SELECT * FROM postolka.seeded"),
        ("postfixadmin", "SELECT * FROM mysql.global_priv"),
    ],
)
def test_database_account_may_do_no_more(machine: Machine, account: str, statement: str) -> None:
    """A daemon that was taken over gets nothing that it didn't need."""
    assert _DENIED in _as_account(machine, account, statement)


def test_database_is_reached_by_its_socket_only(machine: Machine) -> None:
    """No port, and no account that another host could use."""
    assert ssh(machine, "ss -Hltn 'sport = :3306'") == ""
    hosts = sql(machine, "SELECT DISTINCT Host FROM mysql.user")
    assert hosts.split() == ["localhost"]
