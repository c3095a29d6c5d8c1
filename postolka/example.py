"""Boot an image as `mail.example.test` in the lab: what `accept` and `demo` have in common."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from postolka import (
    acceptance,
    acceptance_relay,
    build,
    container,
    identity,
    listening,
    machines,
    vm,
)
from postolka.errors import PostolkaError
from postolka.instance import editing
from postolka.lab import client, world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from postolka.lab.client import Lab
    from postolka.machines import Kind, Machine

DOMAIN = "example.test"
HOSTNAME = f"mail.{DOMAIN}"
ACCOUNTS = ("alice", "bob")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to boot: an image, as which kind of machine, by which instance's files."""

    image: build.Built
    kind: Kind
    directory: Path
    """Holds user-data, zone and credentials.json of an instance."""
    name: str | None = None
    memory_mib: int
    lab: str
    """Name of the lab: one where nobody else is mail.example.test."""


def without_mailboxes(request: identity.Request) -> identity.Request:
    """Return the same for a server whose mail goes on to the lab's sink, which sends by it."""
    clients = (f"{world.SINK.ipv4}/32", f"{world.SINK.ipv6}/128")
    return replace(request, accounts=(), next_hop=world.SINK.name, clients=clients)


def new_instance(directory: Path, *, has_mailboxes: bool = True) -> None:
    """Write the files of the example instance into `directory`, which must be absent or empty."""
    request = identity.Request(domain=DOMAIN, hostname=HOSTNAME, accounts=ACCOUNTS)
    write(request if has_mailboxes else without_mailboxes(request), directory)


def write(request: identity.Request, directory: Path) -> None:
    """Write the files of a new instance for an image of this checkout, as `new_instance`."""
    ports = listening.ports(has_mailboxes=request.has_mailboxes)
    made = identity.make(request, serial=editing.new_serial(), ports=ports)
    identity.write(made, directory)


def accept(
    image: build.Built,
    machine: Machine,
    lab: Lab,
    directory: Path,
    report: Callable[[str, str], None],
) -> None:
    """Make every check that is for such an image; `report` is told promises and what was seen.

    Raises PostolkaError at the first that fails.
    """
    if image.has_mailboxes():
        acceptance.run(acceptance.subject(machine, lab, directory), report)
    else:
        acceptance_relay.run(acceptance_relay.subject(machine, lab, directory), report)


@contextlib.contextmanager
def running(
    request: Request, progress: Callable[[str], None], *, leave_running: bool = False
) -> Iterator[tuple[Machine, Lab]]:
    """Boot, yield the machine and the lab that it is in, and stop it.

    With `leave_running` it is stopped only where the block fails.
    """
    lab = client.start(request.lab, progress=progress)
    try:
        machine = _boot(request, lab, progress)
        try:
            yield machine, lab
        except BaseException:
            machines.stop(machine.name)
            raise
        if not leave_running:
            machines.stop(machine.name)
    finally:
        lab.close()


def _boot(request: Request, lab: Lab, progress: Callable[[str], None]) -> Machine:
    user_data = request.directory / "user-data"
    fields: dict[str, Any] = {
        "id": request.image.id,
        "name": request.name,
        "user_data": user_data.read_bytes(),
        "zone": client.zone_beside(user_data),
        "lab": lab.name,
        "ports": request.image.public_tcp_ports(),
    }
    if request.kind == "container":
        root = container.Request(layers=request.image.root_layers, **fields)
        return container.run(root, progress=progress)
    if request.image.disk is None:
        raise PostolkaError(request.image.id, "has no disk", hint="postolka build")
    disk = vm.Request(disk=request.image.disk, memory_mib=request.memory_mib, **fields)
    return vm.run(disk, progress=progress)
