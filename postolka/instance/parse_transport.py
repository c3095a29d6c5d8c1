"""From plain data to the part of an instance that says how mail comes in and goes out.

Pure: no I/O.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from postolka.instance import grammar, transport
from postolka.instance.reading import each, record, text, texts, whole

if TYPE_CHECKING:
    from postolka.instance.node import Node

_MAX_WEIGHT = 100


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
