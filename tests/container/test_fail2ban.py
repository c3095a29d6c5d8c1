"""Bans: who tries too many passwords is shut out for a while, and who may let him in again."""

from __future__ import annotations

import json
import shlex
import time
from typing import TYPE_CHECKING

import pytest

from postolka.lab import post, world
from pyinfra_deploys.settings import Settings
from tests.container import guessing
from tests.container.conftest import meanwhile, ssh

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postolka.acceptance import Subject
    from postolka.machines import Machine

_CLIENT = "sudo fail2ban-client"
_TRIES = len(guessing.PORTS)
_FEW = f"{_CLIENT} set logins maxretry {_TRIES}"
_USUAL = f"{_CLIENT} set logins maxretry {Settings().fail2ban.max_retry}"
#: The tests' allow list has all strangers but the last ones.
_GUESSER, _OTHER, _ALLOWED = world.stranger(98), world.stranger(97), world.stranger(5)
_SECONDS = 30
_REAL = "198.51.100.7"
_DOVECOT = "mail.example.test dovecot[99]: "
_MISMATCH = "request [3]: sql: Password mismatch"
#: Lines of the journal, and whom they are held against.
_LINES = (
    (f"{_DOVECOT}auth-worker(a@b.test,{_REAL})<5><he0mgFlhQ4rGM2Rr>: {_MISMATCH}", _REAL),
    (f"{_DOVECOT}auth-worker(a@b.test,{_REAL})<5>: {_MISMATCH}", _REAL),
    (
        f"{_DOVECOT}auth-worker(x@b.test,2001:db8::9)<5>: request [3]: sql: unknown user",
        "2001:db8::9",
    ),
    # A login that looks like the whole line, with another's address.
    (
        f"{_DOVECOT}auth-worker(a,192.0.2.1)<5>: {_MISMATCH},{_REAL})<5><abc>: {_MISMATCH}",
        _REAL,
    ),
    ("mail.example.test apache-login[7]: 198.51.100.7 /postfixadmin/login.php", _REAL),
    # What a client chose may have spaces in it, and comes behind the address.
    ("mail.example.test apache-login[7]: 198.51.100.7 /roundcube/x 192.0.2.1 /y", _REAL),
    # Who logs in, and a database that is away, are held against nobody.
    (f"{_DOVECOT}imap-login: Logged in: user=<a@b.test>, method=PLAIN, rip={_REAL}", ""),
    (f"{_DOVECOT}auth-worker(a@b.test,{_REAL})<5>: request [3]: sql: Not connected", ""),
    # Others' words in others' programs.
    (f"mail.example.test roundcube[9]: auth-worker(a,{_REAL})<5>: {_MISMATCH}", ""),
)


@pytest.fixture(autouse=True)
def _nobody_is_banned(machine: Machine) -> Iterator[None]:
    """Begin and end so."""
    ssh(machine, f"{_CLIENT} unban --all")
    yield
    ssh(machine, f"{_CLIENT} unban --all")


def _banned(machine: Machine) -> list[str]:
    found = json.loads(ssh(machine, "sudo postolka-instance ban list --json"))
    return [item["network"] for item in found]


def _await(machine: Machine, wanted: list[str]) -> None:
    deadline = time.monotonic() + _SECONDS
    while _banned(machine) != wanted:
        assert time.monotonic() < deadline, _banned(machine)
        time.sleep(0.2)


def test_guesser_is_shut_out_and_let_in_again(machine: Machine, subject: Subject) -> None:
    """Tries on all five ports count together; who is on the allow list may go on trying.

    SSH and port 25 stay open, status tells of it, and the operator ends it.
    """
    login = subject.first.address
    with meanwhile(machine, _FEW, _USUAL):
        guessing.everywhere(subject, (_GUESSER.ipv4, _ALLOWED.ipv4), login)
        _await(machine, [_GUESSER.ipv4])
    for port in (*guessing.PORTS, 443):
        with pytest.raises(ConnectionRefusedError):
            guessing.connect(subject, port, _GUESSER.ipv4)
    guessing.connect(subject, 22, _GUESSER.ipv4).close()
    with post.stranger(subject.lab, subject.address, number=98):
        pass
    for source in (_ALLOWED.ipv4, _OTHER.ipv4):
        guessing.connect(subject, 993, source).close()
    said = ssh(machine, "sudo postolka-instance status")
    assert "\nbans      1 client shut out" in said
    said = ssh(machine, f"sudo postolka-instance ban remove {_GUESSER.ipv4}")
    assert said == f"{_GUESSER.ipv4}: let in again\n"
    guessing.connect(subject, 993, _GUESSER.ipv4).close()
    said = ssh(machine, f"sudo postolka-instance ban remove {_GUESSER.ipv4} || true")
    assert said == f"{_GUESSER.ipv4}: isn't banned\n"


def test_open_connection_of_a_guesser_ends(machine: Machine, subject: Subject) -> None:
    """It can't be used to go on: the next word meets a reset."""
    with guessing.connect(subject, 143, _GUESSER.ipv4) as connection:
        assert connection.recv(4096).startswith(b"* OK")
        ssh(machine, f"{_CLIENT} set logins banip {_GUESSER.ipv4}")
        connection.sendall(b"a NOOP\r\n")
        with pytest.raises(ConnectionResetError):
            connection.recv(4096)


def test_ban_by_ipv6_is_its_networks(machine: Machine, subject: Subject) -> None:
    """Another address of the same /64 costs nothing, and doesn't help."""
    ssh(machine, f"{_CLIENT} set logins banip {_GUESSER.ipv6}")
    assert _banned(machine) == ["2001:db8:2::/64"]
    with pytest.raises(ConnectionRefusedError):
        guessing.connect(subject, 993, _OTHER.ipv6)
    said = ssh(machine, f"sudo postolka-instance ban remove {_OTHER.ipv6}")
    assert said == f"{_GUESSER.ipv6}: let in again\n"
    guessing.connect(subject, 993, _OTHER.ipv6).close()


def test_ban_outlives_reloads_and_restarts(machine: Machine) -> None:
    """Of the firewall, and of fail2ban itself; it ends when it would have ended."""
    ssh(machine, f"{_CLIENT} set logins banip {_GUESSER.ipv4}")
    ssh(machine, "sudo systemctl reload nftables.service")
    assert _banned(machine) == [_GUESSER.ipv4]
    ssh(machine, "sudo systemctl restart fail2ban.service")
    _await(machine, [_GUESSER.ipv4])
    (ban,) = json.loads(ssh(machine, "sudo postolka-instance ban list --json"))
    assert 0 < ban["seconds"] <= 60 * Settings().fail2ban.ban_minutes


@pytest.mark.parametrize(("line", "address"), _LINES)
def test_nobody_has_another_banned(machine: Machine, line: str, address: str) -> None:
    """A line counts against the address that the server wrote, whatever a client calls itself."""
    tool = f"fail2ban-regex --out '<ip>' {shlex.quote(line)} /etc/fail2ban/filter.d/logins.conf"
    assert ssh(machine, f"{tool} || true").strip() == address
