"""`postolka container`: boot, list, enter and stop containers of the image's root."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from postolka.cli import machine as shared

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from postolka.build import Built
    from postolka.machines import Machine


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    shared.configure_run(actions, "boot a container and return when it is ready")
    shared.configure(actions, "container")


def run(arguments: argparse.Namespace) -> int:
    """Run the action."""

    def start(
        built: Built, fields: dict[str, Any], progress: Callable[[str], None] | None
    ) -> Machine:
        from postolka import container  # noqa: PLC0415 - its libraries cost 0.3 s

        request = container.Request(layers=built.root_layers, **fields)
        return container.run(request, progress=progress)

    if arguments.action == "run":
        return shared.boot(arguments, "root", start)
    return shared.run(arguments, "container")
