"""PostfixAdmin and Roundcube over the wire: what is served, to whom, and as whom it runs."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from tests.container import signing_in
from tests.container.conftest import DOMAIN, JOURNAL, ssh

if TYPE_CHECKING:
    from postolka.acceptance import Subject
    from postolka.machines import Machine

_HOST = f"mail.{DOMAIN}"
_APPLICATIONS = ("postfixadmin", "roundcube")


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("/postfixadmin/login.php", "Postfix Admin"),
        ("/postfixadmin/users/login.php", "Postfix Admin"),
        ("/roundcube/", f"Welcome to {_HOST}"),
    ],
)
def test_login_page_is_served(machine: Machine, path: str, title: str) -> None:
    """With a policy that lets nothing in from elsewhere, and no version of anything."""
    answer = signing_in.ask(machine, _HOST, path)
    assert answer.status == 200
    assert title in answer.body
    assert answer.headers.get_all("Content-Security-Policy", [])[0].startswith(
        "default-src 'self';"
    )
    assert len(answer.headers.get_all("Content-Security-Policy", [])) == 1
    assert "X-Powered-By" not in answer.headers


@pytest.mark.parametrize("application", _APPLICATIONS)
def test_address_without_a_slash_leads_on(machine: Machine, application: str) -> None:
    answer = signing_in.ask(machine, _HOST, f"/{application}")
    assert answer.status == 301
    assert answer.headers["Location"] == f"https://{_HOST}/{application}/"


@pytest.mark.parametrize(
    "path",
    [
        "/postfixadmin/setup.php",
        "/postfixadmin/upgrade.php",
        "/postfixadmin/xmlrpc.php",
        "/postfixadmin/backup.php",
        "/postfixadmin/setup.php/login.php",
        "/roundcube/skins/",
        "/postfixadmin/../templates_c/",
        "/postfixadmin/%2e%2e/config.inc.php",
        "/postfixadmin/../config.local.php",
        "/postfixadmin/common.php/../../config.local.php",
        "/roundcube/config/config.inc.php",
        "/roundcube/installer/",
        "/roundcube/installer/index.php",
        "/roundcube/bin/update.sh",
        "/roundcube/SQL/mysql.initial.sql",
        "/roundcube/logs/",
        "/roundcube/temp/",
        "/roundcube/plugins/",
        "/roundcube/plugins/password/password.php",
        "/roundcube/plugins/password/config.inc.php.dist",
        "/roundcube/plugins/postolka/postolka.php",
        "/roundcube/skins/elastic/meta.json",
        "/roundcube/skins/elastic/templates/login.html/x.php",
        "/roundcube/program/lib/Roundcube/bootstrap.php",
        "/roundcube/program/js/",
        "/roundcube/composer.json",
        "/cgi-bin/",
        "/phpmyadmin/",
    ],
)
def test_rest_is_refused(machine: Machine, path: str) -> None:
    """No set-up, no list of files, no configuration, and no program but the entrances."""
    answer = signing_in.ask(machine, _HOST, path)
    assert answer.status in {400, 403, 404}, answer.body
    assert "<?php" not in answer.body


@pytest.mark.parametrize("application", _APPLICATIONS)
def test_cookies_are_for_tls_and_for_this_server(machine: Machine, application: str) -> None:
    """No script reads one, and no other site's page makes a browser send one (RFC 6265bis)."""
    cookies = signing_in.ask(machine, _HOST, signing_in.FORMS[application][0]).cookies
    assert cookies
    for cookie in cookies:
        assert cookie["secure"], cookie
        assert cookie["httponly"], cookie
        assert cookie["samesite"] == "Strict", cookie


@pytest.mark.parametrize("application", _APPLICATIONS)
def test_bad_login_is_logged_with_the_clients_address(machine: Machine, application: str) -> None:
    """Who bans guessers reads it in the journal: the client's own address, not loopback's."""
    name = f"guess{time.time_ns()}@{DOMAIN}"
    answer = signing_in.try_login(machine, _HOST, application, name, "wrong-password")
    assert answer.status in {200, 401}
    lines = ssh(machine, f"{JOURNAL} -t {application} --grep={name}")
    addresses = re.findall(r"(?:ip_address: |from )([0-9a-f.:]+)", lines)
    assert addresses, lines
    assert not any(address.startswith(("127.", "::1")) for address in addresses), lines


def test_dovecot_knows_for_whom_roundcube_asks(machine: Machine) -> None:
    """By the client's address, so that a guesser in the browser makes nobody else wait."""
    name = f"other{time.time_ns()}@{DOMAIN}"
    signing_in.try_login(machine, _HOST, "roundcube", name, "wrong-password")
    lines = ssh(machine, f"{JOURNAL} -t dovecot --grep={name}")
    assert "rip=127.0.0.1" not in lines
    assert re.search(r"rip=[0-9a-f.:]+", lines), lines


def test_nothing_of_php_is_root(machine: Machine) -> None:
    """Each application's manager and its children are its own account's."""
    found = ssh(machine, "ps -C php-fpm8.4 -o user:32=").split()
    assert set(found) == set(_APPLICATIONS)


@pytest.mark.parametrize(("account", "other"), [_APPLICATIONS, _APPLICATIONS[::-1]])
def test_applications_dont_read_each_other(machine: Machine, account: str, other: str) -> None:
    """Neither the other's configuration with its password, nor its socket; nor what is secret."""
    secrets = {
        "postfixadmin": "/etc/postfixadmin/config.local.php",
        "roundcube": "/etc/roundcube/config.inc.php",
    }
    ssh(machine, f"sudo -u {account} test -r {secrets[account]}")
    socket = f"/run/postolka-php/{other}/socket"
    for path in (secrets[other], socket, "/run/postolka/tls/key.pem", "/etc/dovecot/dovecot.conf"):
        ssh(machine, f"sudo test -e {path} && ! sudo -u {account} test -r {path}")


@pytest.mark.parametrize("account", ["www-data", *_APPLICATIONS])
def test_account_reaches_nothing_outside(machine: Machine, account: str) -> None:
    """The firewall refuses at once what a program that was taken over would call home by."""
    command = "exec 3<>/dev/tcp/198.51.100.1/443"
    told = ssh(machine, f"sudo -u {account} timeout 5 bash -c '{command}' 2>&1; true")
    assert "No route to host" in told or "Permission denied" in told or "unreachable" in told, told


def test_php_starts_no_program(machine: Machine) -> None:
    """What both applications are given says so, whatever they ask for."""
    for application in _APPLICATIONS:
        pool = f"/etc/php/8.4/fpm/postolka-{application}.conf"
        told = ssh(machine, f"sudo php-fpm8.4 -i --fpm-config {pool}")
        assert re.search(r"^disable_functions => \S*exec\S*proc_open\S*system", told, re.MULTILINE)


def test_admin_of_the_data_logs_in(machine: Machine, subject: Subject) -> None:
    """With the password of credentials.json, and with no other."""
    login, password = subject.admin.address, subject.admin.password
    good = signing_in.try_login(machine, _HOST, "postfixadmin", login, password)
    assert (good.status, good.headers["Location"]) == (302, "main.php")
    bad = signing_in.try_login(machine, _HOST, "postfixadmin", login, f"{password}x")
    assert bad.status == 200
