"""From plain data to the part of an instance that its resolver goes by.

Pure: no I/O.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from postolka.instance import grammar, resolver
from postolka.instance.reading import each, record, text, texts, whole

if TYPE_CHECKING:
    from postolka.instance.node import Node

_BYTE, _SHORT = 255, 65535


def dns(node: Node) -> resolver.Dns | None:
    """Read another DNS root."""
    return record(
        node,
        resolver.Dns,
        # An own root without its anchor would make every answer bogus, and the reverse too.
        {
            "root_hints": lambda child: each(child, _root_server),
            "trust_anchors": lambda child: each(child, _trust_anchor),
        },
    )


def _root_server(node: Node) -> resolver.RootServer | None:
    return record(
        node,
        resolver.RootServer,
        {"name": text(grammar.dns_name), "addresses": texts(grammar.address)},
    )


def _trust_anchor(node: Node) -> resolver.TrustAnchor | None:
    return record(
        node,
        resolver.TrustAnchor,
        {
            "key_tag": whole(0, _SHORT),
            "algorithm": whole(1, _BYTE),
            "digest_type": whole(1, _BYTE),
            "digest": text(grammar.digest),
        },
    )
