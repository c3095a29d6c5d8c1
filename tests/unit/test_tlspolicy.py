"""The service before MTA-STS: what it reads and writes; its answers are tried over the wire."""

from __future__ import annotations

import asyncio

import dns.rdata
import pytest
from dns.rdtypes.ANY.TLSA import TLSA

from postolka.tlspolicy import dane, service

_HASH = "ab" * 32


def _read(data: bytes) -> str:
    async def read() -> str:
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        reader.feed_eof()
        return await service.unpacked(reader)

    return asyncio.run(read())


@pytest.mark.parametrize("text", ["postfix example.org", "", "příklad"])
def test_what_is_packed_can_be_read(text: str) -> None:
    """A netstring counts bytes."""
    assert _read(service.packed(text)) == text


@pytest.mark.parametrize("data", [b"x:y,", b"-1:,", b"99999:x,", b"3:abc.", b":,"])
def test_what_is_no_netstring_is_refused(data: bytes) -> None:
    """A client that speaks another protocol gets no answer."""
    with pytest.raises(ValueError, match="not a netstring"):
        _read(data)


@pytest.mark.parametrize("data", [b"", b"3", b"3:ab"])
def test_end_is_told(data: bytes) -> None:
    """A client that goes is no error of the protocol."""
    with pytest.raises(EOFError):
        _read(data)


@pytest.mark.parametrize(
    "next_hop", ["[127.0.0.1]:10025", "[mail.example.org]:587", ".example.org", "localhost", "::1"]
)
def test_next_hop_that_is_no_domain_has_no_policy(next_hop: str) -> None:
    """Nobody is asked, so that mail within the server and to a relay host waits for nobody."""
    assert asyncio.run(service.reply(next_hop)) == "NOTFOUND "


@pytest.mark.parametrize(
    ("next_hop", "domain"),
    [
        ("Example.org", "Example.org"),
        ("a_b.example.org", "a_b.example.org"),
        ("příklad.example", "xn--pklad-zsa96e.example"),
        ("straße.example", "xn--strae-oqa.example"),
        ("[127.0.0.1]:10025", "[127.0.0.1]:10025"),
        (".example.org", ".example.org"),
    ],
)
def test_domain_in_utf8_is_no_other_domain(next_hop: str, domain: str) -> None:
    """The domain whose policy is asked for is the one that Postfix sends to."""
    assert dane.in_ascii(next_hop) == domain


@pytest.mark.parametrize(
    ("value", "is_usable"),
    [
        (f"3 1 1 {_HASH}", True),
        (f"2 0 1 {_HASH}", True),
        (f"3 0 2 {_HASH}{_HASH}", True),
        (f"3 1 0 {_HASH}", True),
        (f"1 1 1 {_HASH}", False),
        (f"0 1 1 {_HASH}", False),
        (f"3 2 1 {_HASH}", False),
        (f"3 1 3 {_HASH}", False),
    ],
)
def test_tlsa_that_a_server_can_be_checked_by(value: str, is_usable: bool) -> None:  # noqa: FBT001 - pytest's
    """Usages 2 and 3, by a digest that is known; the rest names nobody (RFC 7672, 3.1)."""
    tlsa = dns.rdata.from_text("IN", "TLSA", value)
    assert isinstance(tlsa, TLSA)
    assert dane.is_usable(tlsa) == is_usable
