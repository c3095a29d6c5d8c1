"""The option --domain of several verbs: whether what a domain has in the DNS is built upon."""

from __future__ import annotations

import ipaddress
import sys
from typing import TYPE_CHECKING

from postolka.errors import PostolkaError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from postolka.instance.dns import Live
    from postolka.instance.model import Instance
    from postolka.live import Lookup


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare --domain and --resolver."""
    parser.add_argument(
        "--domain",
        dest="kind",
        choices=("new", "existing"),
        default="new",
        help="new (the default): strict at once; existing: built upon what the domain has live",
    )
    parser.add_argument(
        "--resolver", metavar="ADDRESS", help="whom to ask (default: the system's resolver)"
    )


def resolver(arguments: argparse.Namespace) -> Lookup:
    """Return what asks the resolver that `arguments` name."""
    from postolka import live  # noqa: PLC0415 - its libraries cost 0.2 s

    if arguments.resolver is None:
        return live.resolver()
    try:
        return live.resolver(str(ipaddress.ip_address(arguments.resolver)))
    except ValueError:
        problem = f'"{arguments.resolver}" is not an IP address'
        raise PostolkaError("--resolver", problem) from None


def of_instance(
    arguments: argparse.Namespace, instance: Instance, ask: Lookup | None = None
) -> dict[str, Live] | None:
    """Return `built_upon` of all domains of an instance."""
    return built_upon(arguments, instance.hostname, (item.name for item in instance.domains), ask)


def built_upon(
    arguments: argparse.Namespace,
    hostname: str,
    domains: Iterable[str],
    ask: Lookup | None = None,
) -> dict[str, Live] | None:
    """Return what the domains have live, with a warning of what is wrong there; None if new.

    `ask`, where it is given, asks the resolver, which has its use then in any case.
    """
    from postolka import live  # noqa: PLC0415 - its libraries cost 0.2 s

    if arguments.kind == "new":
        if arguments.resolver is not None and ask is None:
            raise PostolkaError("--resolver", "nobody is asked without --domain existing")
        return None
    ask = ask or resolver(arguments)
    found = live.read(domains, ask)
    for problem in live.problems(found, hostname, ask):
        print(f"warning: {problem}", file=sys.stderr)
    return found
