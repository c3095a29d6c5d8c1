"""`postolka vm`: boot, list, enter and stop virtual machines of an image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from postolka.cli import machine as shared

if TYPE_CHECKING:
    import argparse

    from postolka.lab.client import Lab


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    run_ = actions.add_parser("run", help="boot a virtual machine and return when it is ready")
    run_.add_argument("id", nargs="?", metavar="ID", help="an image; default: this checkout's")
    run_.add_argument("--user-data", type=Path, metavar="FILE", help="as a cloud would give it")
    run_.add_argument("--lab", action="store_true", help="join the lab, started if need be")
    run_.add_argument("--memory", type=int, default=2048, metavar="MB", help="default: 2048")
    run_.add_argument("--name", metavar="NAME")
    run_.add_argument("--detach", action="store_true", help="don't show the console meanwhile")
    run_.add_argument("--json", action="store_true", help="print how to reach it as JSON")
    shared.configure(actions, "vm")


def run(arguments: argparse.Namespace) -> int:
    """Run the action."""
    if arguments.action == "run":
        return _run(arguments)
    return shared.run(arguments, "vm")


def _run(arguments: argparse.Namespace) -> int:
    from postolka import build, seed, vm  # noqa: PLC0415 - their libraries cost 0.3 s
    from postolka.errors import PostolkaError  # noqa: PLC0415
    from postolka.lab import client  # noqa: PLC0415
    from pyinfra_deploys import server  # noqa: PLC0415
    from pyinfra_deploys.settings import Settings  # noqa: PLC0415

    user_data = seed.read(arguments.user_data) if arguments.user_data else None
    built = build.find(arguments.id) if arguments.id else build.realise(progress=shared.say)
    if built.disk is None:
        raise PostolkaError(built.id, "has no disk", hint="postolka build")
    lab: Lab | None = client.start(progress=shared.say) if arguments.lab else None
    try:
        request = vm.Request(
            disk=built.disk,
            id=built.id,
            name=arguments.name,
            user_data=user_data,
            zone=client.zone_beside(arguments.user_data) if lab else "",
            lab=lab.name if lab else "",
            memory_mib=arguments.memory,
            ports=[
                p.number for p in server.ports(Settings()) if p.is_public and p.protocol == "tcp"
            ],
        )
        machine = vm.run(request, progress=None if arguments.detach else shared.say)
    finally:
        if lab:
            lab.close()
    if arguments.json:
        print(json.dumps(machine.public()))
    else:
        print(machine.name)
        shared.say(f"log in:  postolka vm ssh {machine.name}")
        shared.say(f"stop it: postolka vm stop {machine.name}")
    return 0
