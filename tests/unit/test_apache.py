"""What the web server serves, and what a client finds there."""

from __future__ import annotations

import plistlib
import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from pyinfra_deploys import apache
from pyinfra_deploys.sections import DovecotSettings, PostfixSettings
from pyinfra_deploys.settings import Settings
from tests.unit import golden

_PUBLIC = "/etc/apache2/public"


def test_configuration_is_golden() -> None:
    golden.check(
        "apache", "/etc/apache2/apache2.conf", golden.baked(apache)["/etc/apache2/apache2.conf"]
    )


@pytest.mark.parametrize(
    "path",
    [
        "sites.conf",
        *(f"public/{name}" for name in ("autodiscover.xml", "config-v1.1.xml", "index.html")),
    ],
)
def test_what_an_instance_has_is_golden(path: str) -> None:
    golden.check("apache", f"/etc/apache2/{path}", golden.rendered(apache)[f"/etc/apache2/{path}"])


def test_policy_is_what_the_dns_announces() -> None:
    """RFC 8461, 3.2: key-value pairs, the name of the mail server among them."""
    text = golden.rendered(apache)[f"{_PUBLIC}/mta-sts.txt"]
    assert text.split("\r\n") == [
        "version: STSv1", "mode: testing", "mx: mail.example.test", "max_age: 86400", "",
    ]  # fmt: skip


def test_port_that_is_off_is_told_to_nobody() -> None:
    """What a client is told follows the settings: here STARTTLS alone."""
    settings = replace(
        Settings(),
        dovecot=replace(DovecotSettings(), imaps=False),
        postfix=replace(PostfixSettings(), submissions=False),
    )
    files = golden.rendered(apache, settings=settings)
    # As Apache serves it: with the domain's name put in.
    text = re.sub("<!--#echo[^>]*-->", "example.test", files[f"{_PUBLIC}/config-v1.1.xml"])
    servers = ET.fromstring(text)  # noqa: S314 - our own text
    assert [
        (found.get("type"), found.findtext("port"), found.findtext("socketType"))
        for found in servers.iterfind("emailProvider/*[port]")
    ] == [("imap", "143", "STARTTLS"), ("smtp", "587", "STARTTLS")]
    assert "<td>993</td>" not in files[f"{_PUBLIC}/index.html"]
    account = _account(files)
    assert account["IncomingMailServerPortNumber"] == 143
    assert account["IncomingMailServerUseSSL"] is False
    assert account["OutgoingMailServerPortNumber"] == 587


def test_profile_prefers_tls_from_the_first_byte() -> None:
    account = _account(golden.rendered(apache))
    assert account["IncomingMailServerHostName"] == "mail.example.test"
    assert account["IncomingMailServerPortNumber"] == 993
    assert account["IncomingMailServerUseSSL"] is True
    assert account["OutgoingMailServerPortNumber"] == 465
    assert account["OutgoingMailServerUseSSL"] is True


def _account(files: dict[str, str]) -> dict[str, object]:
    profile = plistlib.loads(files[f"{_PUBLIC}/mail.mobileconfig"].encode())
    account: dict[str, object] = profile["PayloadContent"][0]
    return account
