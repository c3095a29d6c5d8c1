"""`postolka lab`: start, look at and stop the small internet that a server is tried in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from postolka import machines
from postolka.cli.machine import say
from postolka.errors import PostolkaError

if TYPE_CHECKING:
    import argparse

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
        from postolka.lab import client  # noqa: PLC0415 - its libraries cost 0.2 s

        with client.find() as lab:
            for value in lab.lookup(arguments.name, arguments.type):
                print(value.decode("utf-8", errors="replace"))
    return 0


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
