"""What the web server serves, and what a client finds there."""

from __future__ import annotations

import plistlib
import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from pyinfra_deploys import apache, autodiscover
from pyinfra_deploys.sections import DovecotSettings, PostfixSettings
from pyinfra_deploys.settings import Settings
from tests.unit import golden

_PUBLIC = "/etc/apache2/public"


def test_configuration_is_golden() -> None:
    golden.check(
        "apache", "/etc/apache2/apache2.conf", golden.baked(apache)["/etc/apache2/apache2.conf"]
    )


def test_what_an_instance_has_is_golden() -> None:
    path = "/etc/apache2/sites.conf"
    golden.check("apache", path, golden.rendered(apache)[path])


@pytest.mark.parametrize("name", ["autodiscover.xml", "config-v1.1.xml", "index.html"])
def test_what_clients_find_is_golden(name: str) -> None:
    path = f"{_PUBLIC}/{name}"
    golden.check("autodiscover", path, golden.rendered(autodiscover)[path])


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
    files = golden.rendered(autodiscover, settings=settings)
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
    account = _account(golden.rendered(autodiscover))
    assert account["IncomingMailServerHostName"] == "mail.example.test"
    assert account["IncomingMailServerPortNumber"] == 993
    assert account["IncomingMailServerUseSSL"] is True
    assert account["OutgoingMailServerPortNumber"] == 465
    assert account["OutgoingMailServerUseSSL"] is True


def _account(files: dict[str, str]) -> dict[str, object]:
    profile = plistlib.loads(files[f"{_PUBLIC}/mail.mobileconfig"].encode())
    account: dict[str, object] = profile["PayloadContent"][0]
    return account
