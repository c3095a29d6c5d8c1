"""`postolka vm`: boot, list, enter and stop virtual machines of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from postolka.cli import machine as shared
from postolka.errors import PostolkaError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from postolka.build import Built
    from postolka.machines import Machine

#: With less its firmware, kernel and daemons don't come up, which takes them a quarter of an hour.
_LEAST_MIB = 512
#: As many as QEMU's q35 takes without more settings.
_MOST_CPUS = 255


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    run_ = shared.configure_run(actions, "boot a virtual machine and return when it is ready")
    run_.add_argument("--memory", type=int, default=2048, metavar="MB", help="default: 2048")
    run_.add_argument("--cpus", type=int, default=2, metavar="N", help="default: 2")
    shared.configure(actions, "vm")


def run(arguments: argparse.Namespace) -> int:
    """Run the action."""

    def start(
        built: Built, fields: dict[str, Any], progress: Callable[[str], None] | None
    ) -> Machine:
        from postolka import vm  # noqa: PLC0415 - its libraries cost 0.3 s

        if built.disk is None:
            raise PostolkaError(built.id, "has no disk", hint="postolka build")
        size = {"memory_mib": arguments.memory, "cpus": arguments.cpus}
        return vm.run(vm.Request(disk=built.disk, **size, **fields), progress=progress)

    if arguments.action == "run":
        if arguments.memory < _LEAST_MIB:
            problem = f"must be {_LEAST_MIB} or more, not {arguments.memory}"
            raise PostolkaError("--memory", problem)
        if not 1 <= arguments.cpus <= _MOST_CPUS:
            raise PostolkaError("--cpus", f"must be 1 to {_MOST_CPUS}, not {arguments.cpus}")
        return shared.boot(arguments, "disk", start)
    return shared.run(arguments, "vm")
