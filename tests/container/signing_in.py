"""The web applications' forms of who logs in, without a browser."""

from __future__ import annotations

import contextlib
import http.client
import re
import urllib.parse
from base64 import b64encode
from dataclasses import dataclass
from http.cookies import Morsel, SimpleCookie
from typing import TYPE_CHECKING

from tests.container.test_mail import unverified

if TYPE_CHECKING:
    from collections.abc import Mapping

    from postolka.machines import Machine

_SECONDS = 60
#: The form's address, and its fields for name and password, beside the one that holds the token.
FORMS = {
    "postfixadmin": ("/postfixadmin/login.php", "fUsername", "fPassword", "token"),
    "roundcube": ("/roundcube/?_task=login", "_user", "_pass", "_token"),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the web server said."""

    status: int
    headers: http.client.HTTPMessage
    body: str

    @property
    def cookies(self) -> list[Morsel[str]]:
        """The cookies that it set."""
        jar: SimpleCookie = SimpleCookie()
        for line in self.headers.get_all("Set-Cookie", []):
            jar.load(line)
        return list(jar.values())


def ask(
    machine: Machine,
    host: str,
    path: str,
    *,
    form: dict[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Ask for a page, or send a form to it, by the server's name `host`."""
    connection = http.client.HTTPSConnection(
        machine.host, machine.ports[443], timeout=_SECONDS, context=unverified()
    )
    sent = {"Host": host, **(headers or {})}
    body = urllib.parse.urlencode(form) if form else None
    if body:
        sent["Content-Type"] = "application/x-www-form-urlencoded"
    with contextlib.closing(connection):
        connection.request("POST" if body else "GET", path, body, sent)
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read().decode())


def basic(login: str, password: str) -> dict[str, str]:
    """Return the header by which one logs in without a form (RFC 7617)."""
    word = b64encode(f"{login}:{password}".encode()).decode("ascii")
    return {"Authorization": f"Basic {word}"}


def try_login(machine: Machine, host: str, application: str, name: str, password: str) -> Answer:
    """Fill in the form of one of the applications; the answer leads on where that was right."""
    path, user, secret, token = FORMS[application]
    first = ask(machine, host, path)
    found = re.search(rf'name="{token}"[^>]*value="([^"]+)"', first.body)
    assert found, first.body
    cookies = "; ".join(f"{cookie.key}={cookie.value}" for cookie in first.cookies)
    form = {user: name, secret: password, token: found[1]}
    form |= (
        {"lang": "en"} if application == "postfixadmin" else {"_task": "login", "_action": "login"}
    )
    return ask(machine, host, path, form=form, headers={"Cookie": cookies})
