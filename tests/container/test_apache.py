"""The web server over the wire: what is had, by which name, and what isn't."""

from __future__ import annotations

import http.client
import plistlib
import socket
import ssl
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from postolka.instance import mtasts
from tests.container.conftest import DOMAIN, JOURNAL, ssh

if TYPE_CHECKING:
    from postolka.machines import Machine

_HOST = f"mail.{DOMAIN}"
_SECONDS = 30


def test_page_tells_people_how_to_set_up_a_client(machine: Machine) -> None:
    status, headers, body = _get(machine, _HOST, "/")
    assert status == 200
    assert headers["Content-Type"] == "text/html; charset=UTF-8"
    assert "993" in body
    assert headers["Strict-Transport-Security"] == "max-age=63072000"
    assert headers["Server"] == "Apache"


def test_thunderbird_finds_the_domains_settings(machine: Machine) -> None:
    """Under both addresses that are looked at; the text names the domain that was asked."""
    host = f"autoconfig.{DOMAIN}"
    bodies = set()
    for path in ("/mail/config-v1.1.xml", "/.well-known/autoconfig/mail/config-v1.1.xml"):
        status, headers, body = _get(machine, host, f"{path}?emailaddress=alice@{DOMAIN}")
        assert status == 200
        assert headers["Content-Type"].startswith("text/xml")
        bodies.add(body)
    (text,) = bodies
    found = ET.fromstring(text)  # noqa: S314 - our own text
    assert [item.text for item in found.iterfind("emailProvider/domain")] == [DOMAIN]
    assert [item.text for item in found.iterfind("emailProvider/*/hostname")] == [_HOST] * 4


def test_policy_is_served_for_the_domain(machine: Machine) -> None:
    """By its own name, as plain text, without a way round (RFC 8461, 3.3)."""
    status, headers, body = _get(machine, f"mta-sts.{DOMAIN}", "/.well-known/mta-sts.txt")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain")
    assert body == mtasts.policy(_HOST, is_enforced=False)


def test_device_gets_a_profile(machine: Machine) -> None:
    status, headers, body = _get(machine, _HOST, "/mail.mobileconfig")
    assert status == 200
    assert headers["Content-Type"].startswith("application/x-apple-aspen-config")
    assert plistlib.loads(body.encode())["PayloadIdentifier"] == _HOST


@pytest.mark.parametrize(
    ("host", "path"),
    [
        (_HOST, "/config-v1.1.xml"),
        (_HOST, "/server-status"),
        (_HOST, "/icons/"),
        (_HOST, "/manual/"),
        (_HOST, "/..%2f..%2fpasswd"),
        (_HOST, "/.well-known/mta-sts.txt"),
        (f"mta-sts.{DOMAIN}", "/"),
        (f"autoconfig.{DOMAIN}", "/"),
    ],
)
def test_nothing_else_is_served(machine: Machine, host: str, path: str) -> None:
    status, _, body = _get(machine, host, path)
    assert status in {403, 404}
    assert "Apache" not in body


@pytest.mark.parametrize("host", [_HOST, f"autoconfig.{DOMAIN}"])
def test_clear_text_is_sent_on_to_tls(machine: Machine, host: str) -> None:
    status, headers, _ = _get(machine, host, "/mail/config-v1.1.xml?a=b", tls=False)
    assert status == 301
    assert headers["Location"] == f"https://{host}/mail/config-v1.1.xml?a=b"
    assert "Strict-Transport-Security" not in headers


def test_stranger_to_a_name_is_sent_nowhere(machine: Machine) -> None:
    status, headers, _ = _get(machine, "attacker.example", "/", tls=False)
    assert status == 404
    assert "Location" not in headers


def test_old_tls_is_refused(machine: Machine) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with _connection(machine, 443) as sock, pytest.raises(ssl.SSLError):
        context.wrap_socket(sock, server_hostname=_HOST)


def test_who_asked_for_what_is_in_the_journal(machine: Machine) -> None:
    _get(machine, _HOST, "/seen-in-the-journal")
    ssh(machine, f"{JOURNAL} -t apache2 --grep=seen-in-the-journal")


def _get(
    machine: Machine, host: str, path: str, *, tls: bool = True
) -> tuple[int, http.client.HTTPMessage, str]:
    """Ask by HTTP, and by TLS trust the server's own certificate alone, for `host`."""
    port = 443 if tls else 80
    with _connection(machine, port) as plain:
        sock = _trusting(machine).wrap_socket(plain, server_hostname=host) if tls else plain
        client = http.client.HTTPConnection(host)
        client.sock = sock
        with sock:
            client.request("GET", path, headers={"Host": host})
            answer = client.getresponse()
            return answer.status, answer.headers, answer.read().decode()


def _connection(machine: Machine, port: int) -> socket.socket:
    return socket.create_connection((machine.host, machine.ports[port]), timeout=_SECONDS)


def _trusting(machine: Machine) -> ssl.SSLContext:
    address = (machine.host, machine.ports[993])
    return ssl.create_default_context(cadata=ssl.get_server_certificate(address))
