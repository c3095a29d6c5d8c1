"""From plain data to the part of an instance that says whom its content filters ask.

Pure: no I/O.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from postolka.instance import grammar
from postolka.instance.filters import Filters, RuleChannel
from postolka.instance.reading import each, record, text, texts

if TYPE_CHECKING:
    from postolka.instance.node import Node


def filters(node: Node) -> Filters | None:
    """Read whom the content filters ask."""
    return record(
        node,
        Filters,
        {},
        {
            "clamav_mirrors": texts(grammar.host_or_address),
            "clamav_urls": texts(grammar.source),
            "razor_server": text(grammar.host_or_address),
            "pyzor_servers": texts(grammar.host_or_address),
            "rule_channels": lambda child: each(child, _channel),
        },
    )


def _channel(node: Node) -> RuleChannel | None:
    found = record(
        node,
        RuleChannel,
        {"name": text(grammar.dns_name)},
        {"fingerprint": text(grammar.fingerprint), "key": text(grammar.armored_key)},
    )
    if found and bool(found.key) != bool(found.fingerprint):
        node.complain("must have both fingerprint and key, or neither")
    return found
