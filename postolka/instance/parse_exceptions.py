"""From plain data to an operator's exceptions.

Pure: no I/O.
"""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime
from typing import TYPE_CHECKING

from postolka.instance import exceptions, grammar
from postolka.instance.node import shown
from postolka.instance.reading import each, record, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from postolka.instance.node import Node
    from postolka.instance.reading import Readers

    Read = Callable[[Node], object]


def parse(node: Node) -> exceptions.Exceptions | None:
    """Read all of them."""
    return record(
        node,
        exceptions.Exceptions,
        {},
        {
            "transports": _list(
                exceptions.Transport,
                "domain",
                {"domain": text(grammar.dns_name), "host": text(grammar.dns_name)},
            ),
            "tls": _list(
                exceptions.Tls,
                "domain",
                {
                    "domain": text(grammar.dns_name),
                    "level": lambda child: child.choice("may", "none", "encrypt", "dane-only"),
                },
            ),
            "blocked_clients": _list(exceptions.Client, "network", _CLIENT),
            "blocked_senders": _list(exceptions.Sender, "sender", _SENDER),
            "allowed_clients": _list(exceptions.Client, "network", _CLIENT),
            "allowed_senders": _list(exceptions.Sender, "sender", _SENDER),
            "headers": _list(
                exceptions.Header,
                "",
                {
                    "header": text(grammar.header_name),
                    "contains": text(grammar.header_text),
                    "action": lambda child: child.choice("reject", "hold", "discard"),
                },
            ),
        },
    )


_CLIENT: Readers = {"network": text(grammar.forwarder)}
_SENDER: Readers = {"sender": text(grammar.relay_sender)}


def _list(kind: Callable[..., object], name: str, readers: Readers) -> Read:
    """Return a reader of a list of exceptions, none of them for the same `name`."""
    required = {**readers, "reason": text(grammar.reason), "until": _day}

    def read(node: Node) -> tuple[object, ...]:
        found = each(node, lambda child: record(child, kind, required))
        names = Counter(getattr(item, name) for item in found) if name else Counter()
        for item, count in names.items():
            if count > 1 and item:
                node.complain(f"{shown(item)} stands {count} times")
        return found

    return read


def _day(node: Node) -> date:
    """Read a day: YAML knows them, JSON has a text."""
    if isinstance(node.value, date) and not isinstance(node.value, datetime):
        return node.value
    try:
        return date.fromisoformat(node.value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        node.complain("must be a day, such as 2030-12-31")
        return date.min
