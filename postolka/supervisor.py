"""The process that owns a running machine: its place in a network, its ports, its main process.

Run as a program: `python -m postolka.supervisor DIRECTORY`, with a Spec in DIRECTORY. It ends when
the machine does. SIGTERM shuts the machine down, and cuts its power where that takes too long; a
second SIGTERM does at once. Whatever it started dies with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import signal
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from postolka import cgroups, files, namespace, qmp
from postolka.forward import Forwarder
from postolka.lab import client
from postolka.lab.private import Private, Wire
from postolka.run import ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Sequence

_SPEC, _PORTS = "supervisor.json", "ports.json"
#: What an emulated machine on a busy host needs to write everything out.
SHUTDOWN_SECONDS = 120
#: A machine that was busy starting doesn't notice its power button.
_PRESS_SECONDS = 5
_UNTIL_WE_DIE = ("setpriv", "--pdeathsig", "KILL", "--")
_log = logging.getLogger("supervisor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What to run, and where."""

    command: Sequence[str]
    """Of the main process. In its words `{netns}` becomes the path of the machine's own namespace
    (containers), `{tap}` the descriptor of a tap link (virtual machines), `{mac}` its address."""
    environment: dict[str, str] = field(default_factory=dict)
    is_container: bool
    console: str
    """The file that the main process's output is appended to."""
    ports: Sequence[int]
    """TCP ports of the machine that are forwarded from 127.0.0.1."""
    lab: str = ""
    """The lab to join; empty: a wire with nobody else on it."""
    hostname: str = ""
    zone: str = ""
    """As `Lab.join` takes them."""
    addresses: Sequence[str] = ()
    """What the machine gets outside a lab; empty: the supervisor's choice."""
    again_status: int | None = None
    """Exit status of the main process that means: the machine reboots."""
    monitor: str = ""
    """QEMU's QMP socket, by which it is shut down; empty: the main process does it on SIGTERM."""


def write(spec: Spec, directory: Path) -> None:
    """Write the spec for the program."""
    (directory / _SPEC).write_text(json.dumps(asdict(spec)), encoding="utf-8")


def ports(directory: Path) -> dict[int, int] | None:
    """Return where the machine's ports are on 127.0.0.1, or None as long as they aren't open."""
    try:
        data = json.loads((directory / _PORTS).read_bytes())
    except FileNotFoundError:
        return None
    return {int(port): there for port, there in data.items()}


class Supervisor:
    """Runs the machine in `directory`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._spec = Spec(**json.loads((directory / _SPEC).read_bytes()))
        self._is_stopping = False
        self._child: asyncio.subprocess.Process | None = None
        self._shutdown: asyncio.Task[None] | None = None

    async def run(self) -> int:
        """Run the machine to its end; return the main process's exit status."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._stop)
        with contextlib.ExitStack() as stack:
            inner = namespace.make() if self._spec.is_container else None
            wire = self._join(inner, stack)
            forwarder = Forwarder(wire.router, wire.place.addresses[0])
            stack.callback(forwarder.close)
            stack.callback(cgroups.remove, self._directory)
            self._announce(await forwarder.open(self._spec.ports))
            status = await self._boot(inner, wire.place)
            while status == self._spec.again_status and not self._is_stopping:
                _log.info("the machine reboots")
                status = await self._boot(inner, wire.place)
            _log.info("the machine has ended with status %d", status)
            return status

    def _join(self, inner: int | None, stack: contextlib.ExitStack) -> Wire:
        spec, name = self._spec, self._directory.name
        if not spec.lab:
            own = Private(name, self._directory, spec.addresses, inner)
            stack.callback(own.close)
            return own.wire
        lab = stack.enter_context(client.find(spec.lab))
        place = lab.join(name, hostname=spec.hostname, zone=spec.zone, inner=inner)
        return Wire(lab.router, place)

    async def _boot(self, inner: int | None, place: client.Place) -> int:
        words = {
            "{netns}": namespace.path(inner) if inner is not None else "",
            "{tap}": str(place.tap),
            "{mac}": place.mac,
        }
        command = list(self._spec.command)
        for mark, value in words.items():
            command = [word.replace(mark, value) for word in command]
        groups = cgroups.argv(self._directory) if self._spec.is_container else []
        # Opening a file that is there doesn't block.
        with Path(self._spec.console).open("ab") as console:  # noqa: ASYNC230
            self._child = await asyncio.create_subprocess_exec(
                *_UNTIL_WE_DIE,
                *groups,
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env={**ENVIRONMENT, **self._spec.environment},
                pass_fds=() if place.tap is None else (place.tap,),
            )
        return await self._child.wait()

    def _announce(self, found: dict[int, int]) -> None:
        files.replace(self._directory / _PORTS, json.dumps(found).encode("ascii"))

    def _stop(self) -> None:
        if self._is_stopping or not self._spec.monitor:
            self._terminate()
        else:
            self._shutdown = asyncio.get_running_loop().create_task(self._shut_down())
        self._is_stopping = True

    async def _shut_down(self) -> None:
        """Press the machine's power button until it has ended, or take its power."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + SHUTDOWN_SECONDS
        while self._child and self._child.returncode is None and loop.time() < deadline:
            try:
                await asyncio.wait_for(qmp.power_down(Path(self._spec.monitor)), _PRESS_SECONDS)
            except (OSError, EOFError, TimeoutError) as error:
                _log.info("the power button: %r", error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._child.wait(), _PRESS_SECONDS)
        self._terminate()

    def _terminate(self) -> None:
        if self._child and self._child.returncode is None:
            self._child.terminate()


def _main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    return asyncio.run(Supervisor(Path(sys.argv[1])).run())


if __name__ == "__main__":
    sys.exit(_main())
