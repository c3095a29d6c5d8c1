"""Status as a page for the admin: https://HOSTNAME/status/, behind an admin's login.

Apache passes on who has sent a password (host.d/status.conf), by a socket that nobody else may use,
and notes what is refused. What looks at the machine isn't even loaded before the password is known
to be right. Nothing but GET is answered, and nothing is changed.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, BinaryIO

from postolka.errors import PostolkaError
from postolka.instance import question
from postolka.instance.paths import Paths

if TYPE_CHECKING:
    from postolka.instance.status import Status

_HTML, _TEXT = "text/html; charset=utf-8", "text/plain; charset=utf-8"
_PATH = "/status/"
_HEADERS = {"Cache-Control": "no-store"}
_FOLDER, _PAGE = "usr/share/postolka/status", "status.html"


def credentials(header: str) -> tuple[str, str] | None:
    """Return login and password of an Authorization header; None for another (RFC 7617)."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return None
    login, colon, password = text.partition(":")
    return (login, password) if colon else None


def page(paths: Paths, found: Status) -> str:
    """Return what `postolka-instance status --json` has, for people."""
    import jinja2  # noqa: PLC0415 - as late as status

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(paths.root / _FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(_PAGE).render(status=found.as_data())


def answer(stream: BinaryIO) -> bytes:
    """Return the answer to one request."""
    request = question.read(stream)
    if request.method not in ("GET", "HEAD") or request.path != _PATH:
        return question.response(
            "404 Not Found", f"GET {_PATH}\n", kind=_TEXT, is_head=request.is_head
        )
    given = credentials(request.headers.get("authorization", ""))
    try:
        if given is None or not _is_admin(*given):
            # Apache adds how to say who one is.
            return question.response(
                "401 Unauthorized", "no\n", kind=_TEXT, is_head=request.is_head
            )
    except PostolkaError:
        # Where the database is away: sudo postolka-instance status.
        text = "No password can be checked at present.\n"
        return question.response(
            "503 Service Unavailable", text, kind=_TEXT, is_head=request.is_head
        )
    from postolka.instance import status  # noqa: PLC0415 - see above

    paths = Paths()
    text = page(paths, status.read(paths, for_people=True))
    return question.response("200 OK", text, kind=_HTML, headers=_HEADERS, is_head=request.is_head)


def _is_admin(login: str, password: str) -> bool:
    from postolka.instance import admins  # noqa: PLC0415 - only once somebody is there
    from postolka.instance.parse import parse  # noqa: PLC0415

    paths = Paths()
    instance = parse(paths.kept.read_bytes())
    return admins.may_enter(paths, instance, login, password)


def main() -> None:
    """Answer on the connection that is standard input and output."""
    question.serve(answer)
