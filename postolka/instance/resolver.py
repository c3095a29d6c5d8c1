"""The part of an instance that its resolver goes by: another DNS root than the internet's.

Read by `postolka.instance.parse_resolver`. Pure: no I/O.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RootServer:
    """A server of the DNS root."""

    name: str
    addresses: tuple[str, ...]

    @property
    def ipv4(self) -> tuple[str, ...]:
        """Its IPv4 addresses."""
        return of_version(self.addresses, 4)

    @property
    def ipv6(self) -> tuple[str, ...]:
        """Its IPv6 addresses."""
        return of_version(self.addresses, 6)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustAnchor:
    """A DS record of the DNS root's key (RFC 4034, 5)."""

    key_tag: int
    algorithm: int
    digest_type: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dns:
    """Another DNS root than the internet's; both empty: the internet's."""

    root_hints: tuple[RootServer, ...] = ()
    trust_anchors: tuple[TrustAnchor, ...] = ()


def of_version(addresses: tuple[str, ...], version: int) -> tuple[str, ...]:
    """Return those of the addresses that are of this version of IP."""
    return tuple(item for item in addresses if ipaddress.ip_address(item).version == version)
