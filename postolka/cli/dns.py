"""`postolka dns`: the records to publish, as zone and for web forms, and whether they are live."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from postolka import files
from postolka.cli import domain
from postolka.errors import PostolkaError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

    from postolka.instance.model import Instance
    from postolka.published import Difference

#: RFC 2181, 8 allows more, but resolvers keep nothing for longer than a week or so.
_MAX_TTL_SECONDS = 604800
_DIFFERENT = 3
_AUTHENTIC = "the resolver vouches for it, so DANE counts"
_NOT_AUTHENTIC = (
    "the resolver doesn't vouch for it: the zone isn't signed, or the resolver doesn't validate. "
    "DANE needs it (RFC 7672, 2.2)"
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for action, text in (
        ("zone", "print the records to publish as a fragment of a zone file"),
        ("table", "print them for web forms: host, type, TTL, and the value in one piece"),
        ("check", "compare them with what is live; exit code 3 where that differs"),
    ):
        child = actions.add_parser(action, help=text)
        child.add_argument("file", metavar="FILE", type=Path, help="user-data, or the YAML alone")
        child.add_argument("--json", action="store_true")
        domain.configure(child)
        if action != "check":
            child.add_argument(
                "--ttl", metavar="SECONDS", help="how long others keep a record (default: 300)"
            )


def run(arguments: argparse.Namespace) -> int:
    """Run the action that `arguments` name."""
    return _check(arguments) if arguments.action == "check" else _print(arguments)


def _print(arguments: argparse.Namespace) -> int:
    from postolka import listening  # noqa: PLC0415 - their libraries cost 0.3 s
    from postolka.instance import dns, webforms  # noqa: PLC0415

    ttl_seconds = dns.TTL_SECONDS if arguments.ttl is None else _ttl(arguments.ttl)
    instance = _instance(arguments.file)
    live = domain.of_instance(arguments, instance)
    ports = listening.ports(has_mailboxes=instance.has_mailboxes)
    if arguments.action == "zone" and not arguments.json:
        sys.stdout.write(dns.zone(instance, ports, live, ttl_seconds=ttl_seconds))
        return 0
    records = dns.reverse(instance.hostname, instance.addresses)
    records += dns.records(instance, ports, live)
    rows = webforms.rows(instance, records)
    if arguments.json:
        print(json.dumps([row.as_data(ttl_seconds) for row in rows]))
    else:
        sys.stdout.write(webforms.table(rows, ttl_seconds=ttl_seconds))
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from postolka import listening, published  # noqa: PLC0415 - their libraries cost 0.3 s
    from postolka.instance import dns  # noqa: PLC0415

    ask = domain.resolver(arguments)
    instance = _instance(arguments.file)
    live = domain.of_instance(arguments, instance, ask)
    ports = listening.ports(has_mailboxes=instance.has_mailboxes)
    records = dns.records(instance, ports, live)
    report = published.compare(published.Wanted.of(instance, records), ask)
    advice = [f"{item.name} {item.type}: {item.advice}" for item in records if item.advice]
    if arguments.json:
        found = {"hostname": instance.hostname, **dataclasses.asdict(report), "advice": advice}
        print(json.dumps(found))
    else:
        for difference in report.differences:
            print("\n".join(_told(difference)))
        count = len(report.differences)
        print(f"{report.checked} record sets looked up, {count or 'none'} of them wrong")
        for name, is_authentic in report.dnssec.items():
            print(f"DNSSEC of {name}: {_AUTHENTIC if is_authentic else _NOT_AUTHENTIC}")
        for line in advice:
            print(line)
    return _DIFFERENT if report.differences else 0


def _told(difference: Difference) -> Iterator[str]:
    failure = difference.failure and f": {difference.failure}"
    yield f"{difference.name} {difference.type}{failure}"
    for title, values in (("expected", difference.expected), ("found", difference.found)):
        if values or not failure:
            yield from _cells(title, values or ("nothing",))


def _cells(title: str, values: Iterable[str]) -> Iterator[str]:
    for number, text in enumerate(values):
        yield f"  {title if not number else '':8}  {text}"


def _instance(file: Path) -> Instance:
    from postolka.instance.parse import parse  # noqa: PLC0415 - its libraries cost 0.2 s

    return parse(files.read(file), where=str(file))


def _ttl(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= _MAX_TTL_SECONDS:
        raise PostolkaError(
            "--ttl", f'"{text}" is not a number of seconds, 1 to {_MAX_TTL_SECONDS}'
        )
    return int(text)
