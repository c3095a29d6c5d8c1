"""`postolka dns`: the records to publish, as a zone file and for web forms."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from postolka import files
from postolka.errors import PostolkaError

if TYPE_CHECKING:
    import argparse

    from postolka.instance.model import Instance
    from postolka.webforms import Row

#: RFC 2181, 8 allows more, but resolvers keep nothing for longer than a week or so.
_MAX_TTL_SECONDS = 604800


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for action, text in (
        ("zone", "print the records to publish as a fragment of a zone file"),
        ("table", "print them for web forms: host, type, TTL, and the value in one piece"),
    ):
        printing = actions.add_parser(action, help=text)
        _add_common(printing)
        printing.add_argument(
            "--ttl", metavar="SECONDS", help="how long others keep a record (default: 300)"
        )


def run(arguments: argparse.Namespace) -> int:
    """Run the action that `arguments` name."""
    return _print(arguments)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help="user-data, or the YAML alone")
    parser.add_argument("--json", action="store_true")


def _print(arguments: argparse.Namespace) -> int:
    from postolka import dns, listening, webforms  # noqa: PLC0415 - their libraries cost 0.3 s

    instance = _instance(arguments.file)
    ttl_seconds = dns.TTL_SECONDS if arguments.ttl is None else _ttl(arguments.ttl)
    ports = listening.ports()
    if arguments.action == "zone" and not arguments.json:
        sys.stdout.write(dns.zone(instance, ports, ttl_seconds=ttl_seconds))
        return 0
    records = dns.reverse(instance.hostname, instance.addresses)
    records += dns.records(instance, ports)
    rows = webforms.rows(instance, records)
    if arguments.json:
        print(json.dumps([_plain(row, ttl_seconds) for row in rows]))
    else:
        sys.stdout.write(webforms.table(rows, ttl_seconds=ttl_seconds))
    return 0


def _plain(row: Row, ttl_seconds: int) -> dict[str, str | int]:
    record = row.record
    return {
        "zone": row.zone,
        "host": row.host,
        "name": record.name,
        "type": record.type,
        "ttl": ttl_seconds,
        "data": record.data,
        "value": record.value,
        "why": record.why,
    }


def _instance(file: Path) -> Instance:
    from postolka.instance.parse import parse  # noqa: PLC0415 - its libraries cost 0.2 s

    return parse(files.read(file), where=str(file))


def _ttl(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= _MAX_TTL_SECONDS:
        raise PostolkaError(
            "--ttl", f'"{text}" is not a number of seconds, 1 to {_MAX_TTL_SECONDS}'
        )
    return int(text)
