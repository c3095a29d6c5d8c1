"""From plain data to the part of an instance that says how mail comes in and goes out.

Pure: no I/O.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from postolka.instance import grammar, transport
from postolka.instance.node import shown
from postolka.instance.reading import each, record, secret, text, texts, whole

if TYPE_CHECKING:
    from postolka.instance.node import Node

_MAX_WEIGHT = 100
_SUBMISSIONS = 465
RELAY_PORTS = (25, _SUBMISSIONS, 587)


def postscreen(node: Node) -> transport.Postscreen | None:
    """Read what strangers on port 25 are asked."""
    return record(
        node,
        transport.Postscreen,
        {},
        {"dnsbl": lambda child: each(child, _dnsbl), "access": texts(grammar.network)},
    )


def _dnsbl(node: Node) -> transport.Dnsbl | None:
    return record(
        node,
        transport.Dnsbl,
        {"site": text(grammar.dns_name)},
        {"answers": text(grammar.dnsbl_answers), "weight": whole(-_MAX_WEIGHT, _MAX_WEIGHT)},
    )


def relays(node: Node) -> tuple[transport.Relay, ...]:
    """Read the servers that outgoing mail is given to."""
    found = each(node, _relay)
    uses = Counter(use for relay in found for use in (*relay.destinations, *relay.senders))
    for use in (use for use, count in uses.items() if count > 1):
        node.complain(f"{shown(use)} is given to two relays")
    if sum(relay.is_for_all for relay in found) > 1:
        node.complain("two are for all mail; one needs destinations or senders")
    # Postfix keeps one login for a host and port.
    for nexthop, count in Counter(relay.nexthop for relay in found).items():
        if count > 1:
            node.complain(f"{nexthop} stands {count} times; name all its senders in one")
    return found


def _relay(node: Node) -> transport.Relay | None:
    found = record(
        node,
        transport.Relay,
        {"host": text(grammar.host_or_address)},
        {
            "port": _relay_port,
            "tls": lambda child: child.choice("secure", "encrypt", "dane-only", "may"),
            "user": text(grammar.relay_user),
            "password": secret(grammar.relay_password),
            "destinations": texts(grammar.dns_name),
            "senders": texts(grammar.relay_sender),
        },
    )
    if found is None:
        return None
    if bool(found.user) != bool(found.password):
        node.complain("user and password belong together")
    if found.tls in ("secure", "dane-only") and found.host and grammar.dns_name(found.host):
        node.complain(f"tls: {found.tls} needs the host's name, not its address")
    if found.tls == "may" and (found.user or found.port == _SUBMISSIONS):
        node.complain("tls: may would show the password, or fits no implicit TLS")
    return found


def _relay_port(node: Node) -> int:
    found = node.whole(1, 65535)
    if found not in RELAY_PORTS:
        node.complain(f"must be one of {RELAY_PORTS}")
    return found
