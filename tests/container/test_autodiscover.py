"""What Outlook is told over the wire when it asks for its settings (Autodiscover, POX)."""

from __future__ import annotations

import contextlib
import http.client
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from tests.container.conftest import DOMAIN
from tests.container.test_mail import unverified

if TYPE_CHECKING:
    from postolka.acceptance import Subject

_LOGIN = f"alice+outlook@{DOMAIN}"
_PATH = "/autodiscover/autodiscover.xml"
_SCHEMAS = "http://schemas.microsoft.com/exchange/autodiscover"
_OUTER = f"{{{_SCHEMAS}/responseschema/2006}}"
_INNER = f"{{{_SCHEMAS}/outlook/responseschema/2006a}}"
#: As Outlook sends it.
_QUESTION = f"""\
<?xml version="1.0" encoding="utf-8"?>\
<Autodiscover xmlns="{_SCHEMAS}/outlook/requestschema/2006"><Request>\
<EMailAddress>%s</EMailAddress>\
<AcceptableResponseSchema>{_SCHEMAS}/outlook/responseschema/2006a</AcceptableResponseSchema>\
</Request></Autodiscover>"""


def _ask(
    subject: Subject, host: str, body: str | None, *, path: str = _PATH, method: str = "POST"
) -> tuple[int, str, str]:
    address = (subject.server.host, subject.server.ports[443])
    client = http.client.HTTPSConnection(*address, context=unverified(), timeout=60)
    with contextlib.closing(client):
        client.request(method, path, body, {"Host": host, "Content-Type": "text/xml"})
        answer = client.getresponse()
        return answer.status, answer.headers["Content-Type"], answer.read().decode()


@pytest.mark.parametrize(
    ("host", "path"),
    [
        (f"autodiscover.{DOMAIN}", _PATH),
        (f"autodiscover.{DOMAIN}", "/Autodiscover/Autodiscover.xml"),
        (f"mail.{DOMAIN}", _PATH),
    ],
)
def test_outlook_is_told_servers_and_login(subject: Subject, host: str, path: str) -> None:
    """One way to read and one to send, the login being the whole address that was asked for.

    By the domain's own name, and by the server's, to which the SRV record leads.
    """
    status, kind, text = _ask(subject, host, _QUESTION % _LOGIN, path=path)
    assert (status, kind) == (200, "text/xml; charset=utf-8")
    root = ET.fromstring(text)  # noqa: S314 - our own text
    assert root.tag == f"{_OUTER}Autodiscover"
    account = root.find(f"{_INNER}Response/{_INNER}Account")
    assert account is not None
    assert account.findtext(f"{_INNER}AccountType") == "email"
    assert account.findtext(f"{_INNER}Action") == "settings"
    found = [
        {child.tag.removeprefix(_INNER): child.text for child in protocol}
        for protocol in account.iterfind(f"{_INNER}Protocol")
    ]
    both = {
        "Server": f"mail.{DOMAIN}",
        "DomainRequired": "off",
        "LoginName": _LOGIN,
        "SPA": "off",
        "SSL": "on",
        "Encryption": "SSL",
        "AuthRequired": "on",
    }
    assert found == [
        {"Type": "IMAP", "Port": "993", **both},
        {"Type": "SMTP", "Port": "465", **both},
    ]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "no question",
        _QUESTION % "alice",
        _QUESTION % f"&lt;x/&gt;@{DOMAIN}",
        _QUESTION % f"a</LoginName>@{DOMAIN}",
        "x" * 100_000,
    ],
)
def test_what_is_no_question_is_refused(subject: Subject, body: str) -> None:
    """Also an address that would be more than a word of the answer, and a text without an end."""
    status, _, text = _ask(subject, f"autodiscover.{DOMAIN}", body)
    assert status == 400
    assert "LoginName" not in text


def test_what_has_a_percent_sign_stays_as_it_is(subject: Subject) -> None:
    """No character of an address means something in the answer's making."""
    status, _, text = _ask(subject, f"autodiscover.{DOMAIN}", _QUESTION % f"a$1=b@{DOMAIN}")
    assert status == 200
    assert text.count(f"<LoginName>a$1=b@{DOMAIN}</LoginName>") == 2


def test_nothing_else_is_had_by_that_name(subject: Subject) -> None:
    """Nor the answer's file itself, nor without a question."""
    host = f"autodiscover.{DOMAIN}"
    assert _ask(subject, host, None, method="GET")[0] == 403
    assert _ask(subject, host, None, path="/", method="GET")[0] == 403
    assert _ask(subject, f"mail.{DOMAIN}", None, path="/autodiscover.xml", method="GET")[0] == 403
