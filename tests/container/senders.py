"""Domains outside whose keys the tests hold, and the mail that they sign."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import dkim
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from postolka.instance import dns, keys
from postolka.lab import world

if TYPE_CHECKING:
    from postolka.lab.client import Lab

_SELECTOR = "s1"


def _new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """A domain outside that signs its mail, and sends it from one stranger's address."""

    domain: str
    policy: str = ""
    """DMARC's p; empty: no record."""
    number: int
    """Of the stranger whose address its SPF record names."""
    key: rsa.RSAPrivateKey = field(default_factory=_new_key, repr=False)

    @property
    def address(self) -> str:
        """Its author's."""
        return f"boss@{self.domain}"

    @property
    def zone(self) -> str:
        """Its records."""
        host = world.stranger(self.number)
        spf = f"v=spf1 ip4:{host.ipv4} ip6:{host.ipv6} -all"
        text = {"": spf, f"{_SELECTOR}._domainkey.": keys.dkim_record(keys.encode(self.key))}
        if self.policy:
            text["_dmarc."] = f"v=DMARC1; p={self.policy}"
        lines = [f"{self.domain}. 300 IN MX 10 {world.SINK.name}."]
        lines += [
            f"{name}{self.domain}. 300 IN TXT {dns.strings(value)}" for name, value in text.items()
        ]
        return "\n".join(lines) + "\n"

    def sign(self, message: bytes) -> bytes:
        """Return `message` with a DKIM signature on top."""
        pem = self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        signature = dkim.sign(
            message,
            _SELECTOR.encode("ascii"),
            self.domain.encode("ascii"),
            pem,
            canonicalize=(b"relaxed", b"relaxed"),
        )
        return bytes(signature) + message


#: One of each policy, a domain without any, and a mailing list's.
BANK = Sender(domain="bank.example", policy="reject", number=11)
SHOP = Sender(domain="shop.example", policy="quarantine", number=12)
BLOG = Sender(domain="blog.example", policy="none", number=13)
CLUB = Sender(domain="club.example", number=14)
LISTS = Sender(domain="lists.example", number=15)
ALL = (BANK, SHOP, BLOG, CLUB, LISTS)


def publish(lab: Lab) -> None:
    """Put the records of all of them into the lab's DNS."""
    lab.publish("senders", "".join(sender.zone for sender in ALL))
