"""The status page over the wire: who may see it, and that it says what status says."""

from __future__ import annotations

import contextlib
import html
import http.client
import json
import re
import time
from typing import TYPE_CHECKING

import pytest

from postolka.lab import world
from tests.container import guessing, signing_in
from tests.container.conftest import ssh, stopped
from tests.container.test_mail import unverified

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postolka.acceptance import Subject
    from postolka.machines import Machine

_PATH = "/status/"
_GUESSER = world.stranger(96).ipv4
_SECONDS = 30


def _get(
    subject: Subject, login: str = "", password: str = "", *, source: str = "", path: str = _PATH
) -> tuple[int, http.client.HTTPMessage, str]:
    """Ask for the page, from the address of a stranger where one is given."""
    host = subject.server.name
    client = http.client.HTTPSConnection(
        subject.server.host, subject.server.ports[443], context=unverified(), timeout=60
    )
    if source:
        connection = guessing.connect(subject, 443, source)
        client.sock = unverified().wrap_socket(connection, server_hostname=host)
    headers = {"Host": host}
    if login:
        headers |= signing_in.basic(login, password)
    with contextlib.closing(client):
        client.request("GET", path, headers=headers)
        answer = client.getresponse()
        return answer.status, answer.headers, answer.read().decode()


def test_admin_sees_what_status_says(machine: Machine, subject: Subject) -> None:
    """The same subjects, units and ports; it is kept nowhere, and runs no script."""
    code, headers, page = _get(subject, subject.admin.address, subject.admin.password)
    assert code == 200
    assert headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    told = json.loads(ssh(machine, "sudo postolka-instance status --json || true"))
    shown = html.unescape(page)
    assert f"<h1>{told['hostname']}: {told['state']}</h1>" in shown
    assert re.findall("<tr><th>(.+)</th><td>", page.partition("<h2>Units")[0])[:-2] == [
        check["name"] for check in told["checks"]
    ]
    for item in (*told["problems"], *told["warnings"]):
        assert f"{item['path']}: " in shown
    for unit in told["units"]:
        assert f"<code>{unit['name']}</code></th><td>{unit['state']}<" in shown
    assert "in.https" in shown


def test_stranger_is_asked_for_a_password(machine: Machine, subject: Subject) -> None:
    """401 and how; no process is started for it, and nobody is counted for not having said one."""
    started = "systemctl show --value --property=NAccepted postolka-statuspage.socket"
    before = ssh(machine, started)
    code, headers, page = _get(subject)
    assert code == 401
    assert headers.get_all("WWW-Authenticate") == ['Basic realm="status", charset="UTF-8"']
    assert "postfix" not in page
    assert ssh(machine, started) == before
    assert _get(subject, path="/status")[0] == 301
    assert _get(subject, path="/status/x")[0] == 401


@pytest.fixture
def _counted(machine: Machine) -> Iterator[None]:
    ssh(machine, "sudo fail2ban-client set logins maxretry 5; sudo fail2ban-client unban --all")
    yield
    ssh(machine, "sudo fail2ban-client set logins maxretry 10; sudo fail2ban-client unban --all")


@pytest.mark.usefixtures("_counted")
def test_wrong_password_counts(machine: Machine, subject: Subject) -> None:
    """Whoever's it is said to be, however it is made to look; the fifth shuts the client out."""
    address = subject.admin.address
    for login, password in (
        (address, "wrong"),
        ("nobody@example.test", "wrong"),
        # A mailbox isn't an admin.
        (subject.first.address, subject.first.password),
        ("' OR 1=1 -- ", "' OR 1=1 -- "),
        (f"{address}\r\nX: y", ""),
    ):
        code, headers, page = _get(subject, login, password, source=_GUESSER)
        assert code == 401
        assert "WWW-Authenticate" in headers
        assert page == "no\n"
    deadline = time.monotonic() + _SECONDS
    while _GUESSER not in ssh(machine, "sudo postolka-instance ban list"):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    with pytest.raises(ConnectionRefusedError):
        guessing.connect(subject, 443, _GUESSER)


def test_changed_password_counts_at_once(machine: Machine, subject: Subject) -> None:
    """It is asked of PostfixAdmin's table each time; so is whether the admin is one still."""
    login, password = subject.admin.address, subject.admin.password
    change = "sudo postolka-instance admin passwd --stdin"
    ssh(machine, f"echo another-password | {change}")
    try:
        assert _get(subject, login, password)[0] == 401
        assert _get(subject, login, "another-password")[0] == 200
    finally:
        ssh(machine, f"echo '{password}' | {change}")
    assert _get(subject, login, password)[0] == 200


def test_page_says_that_nobody_can_be_known(machine: Machine, subject: Subject) -> None:
    """Without its database there is no admin: 503, which no ban counts."""
    with stopped(machine, "mariadb.service"):
        code, _, page = _get(subject, subject.admin.address, subject.admin.password)
    assert (code, page) == (503, "No password can be checked at present.\n")


def test_nobody_else_reaches_the_socket(machine: Machine) -> None:
    """An account of the machine could try passwords there that nobody counts."""
    code = 'import socket; socket.socket(socket.AF_UNIX).connect("/run/postolka-statuspage/socket")'
    assert "PermissionError" in ssh(machine, f"python3 -c '{code}' 2>&1 || true")
