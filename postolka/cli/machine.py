"""What `postolka vm` and `postolka container` have in common: list, stop, ssh, console."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from postolka import machines
from postolka.console import plain
from postolka.errors import PostolkaError

if TYPE_CHECKING:
    import argparse

    from postolka.machines import Kind, Machine

_POLL_SECONDS = 0.2


def configure(actions: Any, kind: Kind) -> None:  # noqa: ANN401 - argparse has no public name for it
    """Declare the actions on running machines."""
    listing = actions.add_parser("list", help=f"list the running {kind}s")
    listing.add_argument("--json", action="store_true")
    stop = actions.add_parser("stop", help="stop it and forget it")
    stop.add_argument("name", metavar="NAME")
    ssh = actions.add_parser("ssh", help="log in, or run a command")
    ssh.add_argument("name", metavar="NAME")
    ssh.add_argument("command", nargs="...", metavar="COMMAND")
    console = actions.add_parser("console", help="show its console as long as it runs")
    console.add_argument("name", metavar="NAME")
    console.add_argument("--no-follow", action="store_true", help="only what is there already")


def run(arguments: argparse.Namespace, kind: Kind) -> int:
    """Run the action."""
    if arguments.action == "list":
        return _list(kind, as_json=arguments.json)
    machine = machines.load(arguments.name)
    if machine.kind != kind:
        hint = f"postolka {machine.kind} {arguments.action} {machine.name}"
        raise PostolkaError(machine.name, f"is a {machine.kind}", hint=hint)
    if arguments.action == "stop":
        machines.stop(machine.name)
        return 0
    if arguments.action == "console":
        return _console(machine, follow=not arguments.no_follow)
    return subprocess.run([*machine.ssh(), *arguments.command], check=False).returncode


def say(line: str) -> None:
    """Tell the user something that isn't the result."""
    print(line, file=sys.stderr)


def _list(kind: Kind, *, as_json: bool) -> int:
    found = machines.running(kind)
    if as_json:
        print(json.dumps([machine.public() for machine in found]))
    for machine in () if as_json else found:
        ports = " ".join(f"{port}->{there}" for port, there in sorted(machine.ports.items()))
        print(f"{machine.name}\t{machine.id[:12]}\t{machine.lab or '-'}\t{ports}")
    return 0


def _console(machine: Machine, *, follow: bool) -> int:
    if machine.console is None:
        raise PostolkaError(machine.name, "has no console")
    with machine.console.open("rb") as log:
        while True:
            was_running = machine.is_running
            data = log.read()
            sys.stdout.write(plain(data.decode("utf-8", errors="replace")))
            sys.stdout.flush()
            if not follow or not was_running:
                return 0
            time.sleep(_POLL_SECONDS)
