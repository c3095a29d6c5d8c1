"""`postolka lab`: start, look at and stop the small internet that a server is tried in."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from postolka import machines
from postolka.cli.machine import say
from postolka.errors import PostolkaError
from postolka.lab import world

if TYPE_CHECKING:
    from postolka.lab.client import Lab

_DEFAULT = "lab"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    start = actions.add_parser("start", help="start it; it stays until it is stopped")
    start.add_argument("--name", default=_DEFAULT)
    stop = actions.add_parser("stop", help="stop it and the machines in it")
    stop.add_argument("--name", default=_DEFAULT)
    stop.add_argument("--all", action="store_true", help="stop everything: labs, VMs, containers")
    listing = actions.add_parser("list", help="list the labs and the machines in each")
    listing.add_argument("--json", action="store_true")
    lookup = actions.add_parser("lookup", help="ask the lab's resolver")
    lookup.add_argument("name", metavar="NAME")
    lookup.add_argument("type", metavar="TYPE", nargs="?", default="A")
    for verb, text in (("block", "put it on a DNS blocklist"), ("unblock", "take it off again")):
        entry = actions.add_parser(verb, help=text)
        entry.add_argument("subject", help="an address, a domain, or * for everything")
        entry.add_argument("--on", metavar="LIST", help="default: the best known of its kind")
        if verb == "block":
            entry.add_argument("--answer", action="append", default=[], metavar="127.x.y.z")
    silence = actions.add_parser("silence", help="have these answer nothing, and all others again")
    silence.add_argument("who", nargs="*", help=", ".join(world.SILENCEABLE))
    unname = actions.add_parser(
        "unname", help="take these addresses' reverse names, and no others'"
    )
    unname.add_argument("addresses", nargs="*", metavar="ADDRESS")
    spam = actions.add_parser("spam", help="report a mail to Pyzor and Razor, as if others had")
    spam.add_argument("file", type=argparse.FileType("rb"), help="- for standard input")
    spam.add_argument("--to", action="append", choices=["pyzor", "razor"])
    rules = actions.add_parser("rules", help="publish rules for SpamAssassin (sa-update)")
    rules.add_argument("file", type=argparse.FileType("rb"), help="a .cf file")
    rules.add_argument("--key", metavar="FILE", help="write the channel's public key there")
    signatures = actions.add_parser("signatures", help="publish a signature file for ClamAV")
    signatures.add_argument("file", type=argparse.FileType("rb"), help="a .ndb, .hdb ... file")
    for verb in ("lookup", "block", "unblock", "silence", "unname", "spam", "rules", "signatures"):
        actions.choices[verb].add_argument(
            "--lab", default=_DEFAULT, metavar="NAME", help="of the lab"
        )


def run(arguments: argparse.Namespace) -> int:
    """Run the action."""
    if arguments.action == "start":
        from postolka.lab import client  # noqa: PLC0415 - its libraries cost 0.2 s

        client.start(arguments.name, keep=True, progress=say).close()
        print(arguments.name)
        say(f"stop it: postolka lab stop --name {arguments.name}")
    elif arguments.action == "stop":
        _stop(None if arguments.all else arguments.name)
    elif arguments.action == "list":
        _list(as_json=arguments.json)
    else:
        _inside(arguments)
    return 0


def _inside(arguments: argparse.Namespace) -> None:
    """Ask, or tell, the inhabitants of a running lab."""
    from postolka.lab import client  # noqa: PLC0415 - its libraries cost 0.2 s

    with client.find(arguments.lab) as lab:
        if arguments.action == "lookup":
            for value in lab.lookup(arguments.name, arguments.type):
                print(value.decode("utf-8", errors="replace"))
        elif arguments.action == "block":
            lab.block(arguments.subject, *arguments.answer, where=arguments.on)
        elif arguments.action == "unblock":
            lab.unblock(arguments.subject, where=arguments.on)
        elif arguments.action == "silence":
            lab.silence(*arguments.who)
        elif arguments.action == "unname":
            lab.unname(*arguments.addresses)
        else:
            with arguments.file as file:
                _publish(arguments, lab, file.name, file.read())


def _publish(arguments: argparse.Namespace, lab: Lab, name: str, data: bytes) -> None:
    """Give a file to the lab's inhabitants."""
    from postolka.lab import spam, updates  # noqa: PLC0415 - their libraries cost 0.2 s

    if arguments.action == "spam":
        spam.report(lab, data, to=arguments.to or ("pyzor", "razor"), progress=say)
    elif arguments.action == "signatures":
        print(updates.signatures(lab, Path(name).name, data))
    else:
        fingerprint, key = updates.key(lab)
        if arguments.key:
            Path(arguments.key).write_bytes(key)
        print(f"{updates.CHANNEL} {updates.rules(lab, data)}, signed by {fingerprint}")


def _stop(name: str | None) -> None:
    """Stop a lab after the machines in it, or everything."""
    running = machines.running()
    labs = [
        machine for machine in running if machine.kind == "lab" and name in (None, machine.name)
    ]
    if name is not None and not labs:
        raise PostolkaError(name, "no such lab is running", hint="postolka lab list")
    others = [m for m in running if m.kind != "lab" and (name is None or m.lab == name)]
    for machine in (*others, *labs):
        try:
            machines.stop(machine.name)
        except PostolkaError:
            # A lab ends by itself when its last machine leaves it.
            if machine.is_running:
                raise
        say(f"stopped {machine.kind} {machine.name}")


def _list(*, as_json: bool) -> None:
    running = machines.running()
    found = {
        lab.name: [machine.name for machine in running if machine.lab == lab.name]
        for lab in running
        if lab.kind == "lab"
    }
    if as_json:
        print(json.dumps([{"name": name, "machines": inside} for name, inside in found.items()]))
    for name, inside in () if as_json else found.items():
        print(f"{name}\t{' '.join(inside) or '-'}")
