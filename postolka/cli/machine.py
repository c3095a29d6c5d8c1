"""What `postolka vm` and `postolka container` have in common: list, stop, ssh, console."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from postolka import files, machines
from postolka.console import plain
from postolka.errors import PostolkaError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from postolka.build import Built
    from postolka.generation import Want
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


def configure_run(actions: Any, summary: str) -> argparse.ArgumentParser:  # noqa: ANN401 - as above
    """Declare `run` with the arguments that every kind of machine has; return its parser."""
    parser: argparse.ArgumentParser = actions.add_parser("run", help=summary)
    parser.add_argument("id", nargs="?", metavar="ID", help="an image; default: this checkout's")
    parser.add_argument(
        "--profile", metavar="NAME", default="", help="without ID: of group_data/NAME.py"
    )
    parser.add_argument("--user-data", type=Path, metavar="FILE", help="as a cloud would give it")
    parser.add_argument("--lab", action="store_true", help="join the lab, started if need be")
    parser.add_argument("--name", metavar="NAME")
    parser.add_argument(
        "--state", type=Path, metavar="DIR", help="keep /var there, over many boots"
    )
    parser.add_argument(
        "--detach",
        action="store_true",
        help="don't show its console until it is ready; it stays up after that in either case",
    )
    parser.add_argument("--json", action="store_true", help="print how to reach it as JSON")
    return parser


def boot(
    arguments: argparse.Namespace,
    want: Want,
    start: Callable[[Built, dict[str, Any], Callable[[str], None] | None], Machine],
) -> int:
    """Boot what `run` was asked for by `start`, and tell how to use it.

    `start` gets the image, the fields of guest.Request, and what shows the console's lines.
    """
    from postolka import build  # noqa: PLC0415 - its libraries cost 0.3 s
    from postolka.lab import client  # noqa: PLC0415

    # Bad input is told before anything is built.
    if arguments.name is not None:
        machines.check_name(arguments.name)
    user_data = files.read(arguments.user_data) if arguments.user_data else None
    zone = client.zone_beside(arguments.user_data) if arguments.lab else ""
    if arguments.id:
        built = build.find(arguments.id, want)
    else:
        built = build.realise(want=want, progress=say, profile=arguments.profile)
    lab = client.start(progress=say) if arguments.lab else None
    try:
        fields = {
            "id": built.id,
            "name": arguments.name,
            "user_data": user_data,
            "zone": zone,
            "lab": lab.name if lab else "",
            "ports": built.public_tcp_ports(),
            "state": arguments.state,
        }
        machine = start(built, fields, None if arguments.detach else say)
    finally:
        if lab:
            lab.close()
    if arguments.json:
        print(json.dumps(machine.public()))
    else:
        print(machine.name)
        say(f"log in:  postolka {machine.kind} ssh {machine.name}")
        say(f"stop it: postolka {machine.kind} stop {machine.name}")
    return 0


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
