"""From plain data to the part of an instance that says who is never banned. Pure: no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from postolka.instance import grammar
from postolka.instance.bans import Bans
from postolka.instance.reading import record, texts

if TYPE_CHECKING:
    from postolka.instance.node import Node


def parse(node: Node) -> Bans | None:
    """Read it."""
    return record(node, Bans, {}, {"allowed": texts(grammar.forwarder)})
