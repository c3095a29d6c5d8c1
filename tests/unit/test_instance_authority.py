"""What instance data say of certificates: the authority, and a chain of one's own."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization

from postolka.errors import ProblemsError
from postolka.instance import chain
from postolka.instance.parse import parse
from tests.unit import instances
from tests.unit.authority import HOST, Authority

if TYPE_CHECKING:
    from cryptography import x509

_BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
_SECRET = base64.b64encode(b"0123456789abcdef").decode()
_UPDATE = {"server": "ns.example.test", "key_name": "mail", "secret": _SECRET}


def _problems(values: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(ProblemsError) as caught:
        parse(instances.dumped(values))
    return {problem.path: problem.text for problem in caught.value.problems}


def _with_chain(*found: x509.Certificate) -> dict[str, Any]:
    values = instances.data()
    values["tls"]["certificate"] = [
        base64.b64encode(item.public_bytes(serialization.Encoding.DER)).decode() for item in found
    ]
    return values


def test_own_chain_is_served_as_it_is() -> None:
    """The server's certificate first."""
    authority, values = Authority(), instances.data()
    made = authority.certificate(values["tls"]["key"], ["*.example.test"], _BEGIN, 90)
    given = (made, authority.root)
    instance = parse(instances.dumped(_with_chain(*given)))
    assert chain.load(instance.tls.chain_pem.encode()) == given


@pytest.mark.parametrize(
    ("key", "name", "said"),
    [
        ("next_key", HOST, "is for another key than the server's"),
        ("key", "*.mail.example.test", f"isn't for {HOST}, but *.mail.example.test"),
        ("key", "*.test", f"isn't for {HOST}, but *.test"),
    ],
)
def test_chain_of_another_server_is_refused(key: str, name: str, said: str) -> None:
    """It would serve nobody, and break DANE."""
    made = Authority().certificate(instances.data()["tls"][key], [name], _BEGIN, 90)
    assert _problems(_with_chain(made)) == {"tls.certificate": said}


def test_chain_has_an_order() -> None:
    """Clients go from one to the next."""
    authority, key = Authority(), instances.data()["tls"]["key"]
    made = authority.certificate(key, [HOST], _BEGIN, 90)
    (said,) = _problems(_with_chain(made, made)).values()
    assert said.startswith("is out of order: ")
    assert set(_problems(_with_chain(authority.root, made))) == {"tls.certificate"}


def test_own_chain_and_an_authority_exclude_each_other() -> None:
    """One of them would be ordered, and never served."""
    made = Authority().certificate(instances.data()["tls"]["key"], [HOST], _BEGIN, 90)
    values = _with_chain(made)
    values["acme"]["enabled"] = True
    assert _problems(values) == {"tls.certificate": "stands beside acme.enabled; one of the two"}


def test_name_server_that_takes_updates_is_read() -> None:
    """Without an algorithm it is the one that every server knows (RFC 8945, 6)."""
    values = instances.data()
    values["acme"]["dns"] = _UPDATE
    found = parse(instances.dumped(values)).acme.dns
    assert found
    assert (found.server, found.algorithm) == ("ns.example.test", "hmac-sha256")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("server", "ns"),
        ("key_name", 'a"; b'),
        ("secret", "c2hvcnQ="),
        ("secret", "not base64 at all!"),
        ("algorithm", "hmac-md5"),
    ],
)
def test_wrong_name_server_is_told(field: str, value: str) -> None:
    """Each where it stands; a secret is never quoted."""
    values = instances.data()
    values["acme"]["dns"] = {**_UPDATE, field: value}
    ((path, said),) = _problems(values).items()
    assert path == f"acme.dns.{field}"
    assert field != "secret" or value not in said


@pytest.mark.parametrize(
    ("url", "port"), [("https://ca.test/dir", 443), ("https://ca.test:14000/dir", 14000)]
)
def test_firewall_is_told_the_authoritys_port(url: str, port: int) -> None:
    """HTTPS's own, where the directory names none."""
    values = instances.data()
    values["acme"] = {"enabled": True, "directory": url}
    assert parse(instances.dumped(values)).acme.port == port
