"""The verb `domain` of `postolka-instance`."""
# ruff: noqa: T201 - the command speaks

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from postolka.instance.paths import Paths

if TYPE_CHECKING:
    import argparse

    from postolka.instance.domains import Domains
    from postolka.instance.model import Instance


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = actions.add_parser("add", help="take a domain's mail, make its keys, print its records")
    add.add_argument("--selector", metavar="NAME", default="", help="of its keys: NAME-rsa …")
    form = add.add_mutually_exclusive_group()
    form.add_argument("--table", action="store_true", help="the records for web forms")
    form.add_argument("--json", action="store_true", help="the records for a script")
    gone = actions.add_parser("del", help="delete a domain, its keys and its rows")
    gone.add_argument(
        "--with-mailboxes",
        action="store_true",
        help="and its mailboxes and aliases; mail is kept aside for some time",
    )
    for action in (add, gone):
        action.add_argument("name", metavar="NAME")
    listing = actions.add_parser("list", help="all domains, and the keys that sign their mail")
    listing.add_argument("--json", action="store_true", help="the same for a script")


def domain(arguments: argparse.Namespace) -> int:
    """Do what `domain` is told."""
    from postolka.instance.domains import Domains  # noqa: PLC0415 - a verb loads what it needs

    found = Domains(Paths())
    if arguments.action == "list":
        items = found.all()
        data = json.dumps([asdict(item) for item in items], indent=2)
        print(data if arguments.json else "\n".join(map(str, items)))
        return 0
    arguments.name = arguments.name.lower().removesuffix(".")
    if arguments.action == "add":
        _add(found, arguments)
    else:
        _remove(found, arguments)
    return 0


def _add(found: Domains, arguments: argparse.Namespace) -> None:
    from postolka.instance.system import Machine  # noqa: PLC0415

    name = arguments.name
    instance = found.add(Machine(), name, arguments.selector)
    print(_records(instance, arguments), end="")
    (own,) = (item for item in instance.domains if item.name == name)
    signs = ", ".join(key.selector for key in own.signing_keys)
    _say(f"{name}: added, serial {instance.serial}; its mail is signed by {signs} from now on")
    _say("publish the records above; for the platform: sudo postolka-instance data")


def _records(instance: Instance, arguments: argparse.Namespace) -> str:
    """Return the domain's records in the form that was asked for."""
    from postolka.instance import dns, house, webforms  # noqa: PLC0415

    ports = house.ports(house.load_house(Paths()))
    if not (arguments.table or arguments.json):
        return dns.zone(instance, ports, only=arguments.name)
    rows = webforms.rows(instance, dns.records(instance, ports, only=arguments.name))
    if arguments.table:
        return webforms.table(rows, ttl_seconds=dns.TTL_SECONDS)
    return json.dumps([row.as_data(dns.TTL_SECONDS) for row in rows], indent=2) + "\n"


def _remove(found: Domains, arguments: argparse.Namespace) -> None:
    from postolka.instance.system import Machine  # noqa: PLC0415

    name = arguments.name
    leading = found.leading_to(name)
    aside = found.remove(Machine(), name, with_mailboxes=arguments.with_mailboxes)
    print(f"{name}: deleted; its records can go from the DNS")
    for path in aside:
        print(f"  mail is in {path}")
    for address in leading:
        print(f"  {address} still leads there: postolka-instance alias del {address}")


def _say(text: str) -> None:
    print(text, file=sys.stderr)
