"""By which addresses this machine reaches others."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Family:
    """A family of addresses."""

    name: str
    kind: str
    """Type of its records."""
    number: int
    somewhere: str
    """An address of nobody's (RFC 5737, RFC 3849), so by the default route."""


FAMILIES = (
    Family("IPv4", "A", socket.AF_INET, "192.0.2.1"),
    Family("IPv6", "AAAA", socket.AF_INET6, "2001:db8:ffff::1"),
)
#: Addresses that others never see (RFC 1918, 3927, 4193, 4291, 6598).
_INSIDE = tuple(
    map(
        ipaddress.ip_network,
        (
            *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10"),
            *("127.0.0.0/8", "fc00::/7", "fe80::/10", "::1/128"),
        ),
    )
)


def source(family: Family) -> str:
    """Return the address from which connections leave; empty where there is no way out.

    Connecting a datagram socket only asks the kernel for the route; nothing is sent.
    """
    try:
        with socket.socket(family.number, socket.SOCK_DGRAM) as asking:
            asking.connect((family.somewhere, 25))
            return str(asking.getsockname()[0])
    except OSError:
        return ""


def is_public(address: str) -> bool:
    """Say whether others may see this address: it isn't one that a router replaces by its own."""
    found = ipaddress.ip_address(address)
    return not any(found.version == net.version and found in net for net in _INSIDE)
