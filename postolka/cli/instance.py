"""`postolka instance`: make and check the data that give an instance its identity."""

from __future__ import annotations

import ipaddress
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from postolka import files
from postolka.cli import domain, rollover
from postolka.errors import Problem, ProblemsError

if TYPE_CHECKING:
    import argparse

#: EC2 takes no more user-data, counted before base64.
_EC2_BYTES = 16384


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `instance new`, `check`, `rotate-dkim` and `rotate-tls`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    new = actions.add_parser("new", help="make user-data, zone and credentials of a new instance")
    new.add_argument("domain", metavar="DOMAIN", help="mail domain, for example example.org")
    new.add_argument("--hostname", metavar="H", help="the server's name (default: mail.DOMAIN)")
    new.add_argument(
        "--address", metavar="A", action="append", default=[], help="public IPv4 or IPv6 address"
    )
    new.add_argument(
        "--account", metavar="NAME", action="append", default=[], help="mailbox NAME@DOMAIN"
    )
    new.add_argument(
        "--next-hop",
        metavar="HOST[:PORT]",
        default="",
        help="no mailboxes: the domain's mail goes on to this server (default port: 25)",
    )
    new.add_argument(
        "--client",
        metavar="NETWORK",
        action="append",
        default=[],
        help="with --next-hop: who sends by this server, for example 192.0.2.9/32",
    )
    new.add_argument(
        "--acme",
        action="store_true",
        help="order certificates from Let's Encrypt, and accept its terms",
    )
    new.add_argument("-o", "--output", metavar="DIR", type=Path, required=True)
    domain.configure(new)
    rotate = actions.add_parser(
        "rotate-dkim",
        help="take the next step in changing the DKIM keys: publish, sign, remove the old ones",
    )
    rotate.add_argument(
        "file", metavar="FILE", type=Path, help="user-data, or the YAML alone; zone beside it"
    )
    domain.configure(rotate)
    rollover.configure(
        actions.add_parser("rotate-tls", help="let the next TLS key take the present one's place")
    )
    check = actions.add_parser("check", help="validate instance data with the image's own code")
    check.add_argument("file", metavar="FILE", type=Path, help="user-data, or the YAML alone")


def run(arguments: argparse.Namespace) -> int:
    """Run the action that `arguments` name."""
    match arguments.action:
        case "check":
            return _check(arguments.file)
        case "rotate-dkim":
            return _rotate(arguments)
        case "rotate-tls":
            print(rollover.run(arguments))
            return 0
        case _:
            return _new(arguments)


def _rotate(arguments: argparse.Namespace) -> int:
    from postolka import identity, listening, rotation  # noqa: PLC0415 - libraries: 0.3 s
    from postolka.instance import dns, editing  # noqa: PLC0415

    file: Path = arguments.file
    rotated = rotation.rotate(files.read(file), where=str(file), serial=editing.new_serial())
    live = domain.of_instance(arguments, rotated.instance)
    ports = listening.ports(has_mailboxes=rotated.instance.has_mailboxes)
    zone = dns.zone(rotated.instance, ports, live)
    # The records first: stopped in between, the same step is due again, and none is missing.
    identity.replace_file(file.with_name("zone"), zone.encode("ascii"), mode=0o644)
    identity.replace_file(file, rotated.data, mode=0o600)
    _warn_of_ec2(len(rotated.data))
    for line in rotated.done:
        _say(line)
    _say(f"next: {rotated.advice}")
    print(file)
    return 0


def _check(file: Path) -> int:
    from postolka.instance import chain  # noqa: PLC0415 - its libraries cost 0.2 s
    from postolka.instance.parse import parse  # noqa: PLC0415

    data = files.read(file)
    _warn_of_ec2(len(data))
    instance = parse(data, where=str(file))
    if said := chain.ended(chain.load(instance.tls.chain_pem.encode("ascii")), time.time()):
        raise ProblemsError(str(file), [Problem("tls.certificate", said)])
    names = ", ".join(item.name for item in instance.domains)
    print(f"{file}: good, serial {instance.serial}, {instance.hostname} for {names}")
    return 0


def _new(arguments: argparse.Namespace) -> int:
    from postolka import identity, listening  # noqa: PLC0415 - their libraries cost 0.3 s
    from postolka.instance import editing  # noqa: PLC0415

    name = arguments.domain.lower().removesuffix(".")
    hostname = arguments.hostname or f"mail.{name}"
    request = identity.Request(
        domain=name,
        hostname=hostname.lower().removesuffix("."),
        addresses=tuple(map(_canonical, arguments.address)),
        accounts=tuple(map(str.lower, arguments.account)),
        next_hop=arguments.next_hop,
        clients=tuple(arguments.client),
        acme=arguments.acme,
    )
    identity.refuse_used(arguments.output)
    identity.check(request)
    live = domain.built_upon(arguments, request.hostname, [name])
    serial = editing.new_serial()
    ports = listening.ports(has_mailboxes=request.has_mailboxes)
    made = identity.make(request, serial=serial, ports=ports, live=live)
    identity.write(made, arguments.output)
    _warn_of_ec2(len(made.user_data))
    user_data = arguments.output / "user-data"
    _say(f"publish the records in {arguments.output / 'zone'}, and see whether they are live:")
    _say(f"  postolka dns check {user_data}{'' if live is None else ' --domain existing'}")
    _say(f"then give the machine {user_data} as its user-data; try it first with")
    profile = "" if request.has_mailboxes else " --profile relay"
    _say(f"  postolka vm run{profile} --lab --user-data {user_data}")
    print(arguments.output)
    return 0


def _warn_of_ec2(size: int) -> None:
    if size > _EC2_BYTES:
        _say(f"warning: user-data have {size} bytes; EC2 takes {_EC2_BYTES}, other platforms more")


def _canonical(text: str) -> str:
    """Return an address in its canonical form; anything else as it is, for the check to refuse."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text


def _say(text: str) -> None:
    print(text, file=sys.stderr)
