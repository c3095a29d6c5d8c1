"""The lab's keys: what signs its DNS, and the certificate authority of its ACME directory.

The root's key and the authority are made once on a build host and kept, so that an instance whose
state outlives a lab still trusts the next one. The other zones' keys live as long as their lab.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dns.dnssec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from dns.dnssectypes import Algorithm

from postolka import home
from postolka.errors import PostolkaError

if TYPE_CHECKING:
    from pathlib import Path

    from dns.rdtypes.ANY.DNSKEY import DNSKEY

#: RFC 4034, 2.1.1: a zone key that is a secure entry point; it signs everything of its zone.
_FLAGS = 257
_ALGORITHM = Algorithm.ECDSAP256SHA256


@dataclass(frozen=True, slots=True)
class ZoneKey:
    """The key of one zone."""

    private: ec.EllipticCurvePrivateKey
    dnskey: DNSKEY


class Keys:
    """The keys of a lab's zones, made when they are first asked for."""

    def __init__(self) -> None:
        self._keys: dict[str, ZoneKey] = {}

    def of(self, zone: str) -> ZoneKey:
        """Return the key of `zone` (with its final dot)."""
        if zone not in self._keys:
            private = kept("dns-root") if zone == "." else ec.generate_private_key(ec.SECP256R1())
            self._keys[zone] = _zone_key(private)
        return self._keys[zone]


def root() -> ZoneKey:
    """Return the key of the DNS root."""
    return _zone_key(kept("dns-root"))


def kept(name: str) -> ec.EllipticCurvePrivateKey:
    """Return the host's lab key called `name`, made the first time."""
    path = home.home() / "lab" / f"{name}.pem"
    if not path.exists():
        _make(path)
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise PostolkaError(str(path), "is not the key of a lab", hint=f"rm {path}")
    return key


def _zone_key(private: ec.EllipticCurvePrivateKey) -> ZoneKey:
    dnskey = dns.dnssec.make_dnskey(private.public_key(), _ALGORITHM, flags=_FLAGS)
    return ZoneKey(private, dnskey)


def pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a key as a PEM document."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(pem(ec.generate_private_key(ec.SECP256R1())))
    try:
        # The first of two labs that start at once wins; both then read the same key.
        os.link(new, path)
    except FileExistsError:
        pass
    finally:
        new.unlink()
