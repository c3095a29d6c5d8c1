"""Use a lab from another process: start or find it, look around in it, put records into it.

A lab that nobody asked for by name (`postolka lab start`) stays as long as somebody is connected.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Self

from postolka import home, machines, namespace
from postolka.errors import PostolkaError
from postolka.lab import control, query, root, world
from postolka.machines import Machine
from postolka.processes import program, spawn

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from pathlib import Path

DEFAULT = "lab"
_START_SECONDS = 90
_POLL_SECONDS = 0.05
_TAIL_LINES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a machine is in the lab."""

    mac: str
    addresses: tuple[str, ...]
    """At most one of each family, IPv4 first."""
    tap: int | None
    """Descriptor of its tap link; None for a container, whose link is `host0`."""


class Lab:
    """An open connection to a lab."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.directory = machines.directory(name)
        self._connection = _connect(self.directory)
        _, (self.router, self.outside, self.strangers) = self.call({"op": "open"})

    def close(self) -> None:
        """Leave the lab."""
        self._connection.close()
        for descriptor in (self.router, self.outside, self.strangers):
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def join(self, name: str, *, hostname: str, zone: str, inner: int | None = None) -> Place:
        """Put a machine into the lab for as long as this connection lasts.

        It gets the addresses that `zone` (a zone file's text) gives `hostname`, or free ones, which
        are then published. With `inner`, the descriptor of a container's namespace, it is
        connected there; otherwise a tap link is made.
        """
        request = {"op": "join", "name": name, "hostname": hostname, "zone": zone, "where": name}
        answer, given = self.call(request, [] if inner is None else [inner])
        return Place(
            mac=answer["mac"],
            addresses=tuple(answer["addresses"]),
            tap=given[0] if given else None,
        )

    def publish(self, name: str, zone: str) -> None:
        """Publish records (a zone file's text) under a handle, in place of its older ones."""
        self.call({"op": "publish", "name": name, "zone": zone, "where": name})

    def block(self, subject: str, *answers: str, where: str | None = None) -> None:
        """Put an address, a domain or everything (`*`) on a blocklist, or on the usual ones."""
        self.call({"op": "block", "subject": subject, "answers": answers, "where": where})

    def unblock(self, subject: str, *, where: str | None = None) -> None:
        """Take it off again."""
        self.call({"op": "unblock", "subject": subject, "answers": (), "where": where})

    def unname(self, *addresses: str) -> None:
        """Have exactly these addresses no reverse name (PTR)."""
        given = []
        for address in addresses:
            try:
                given.append(str(ip_address(address)))
            except ValueError as error:
                raise PostolkaError(address, "is no address") from error
        self.call({"op": "unname", "addresses": given})

    def silence(self, *names: str) -> None:
        """Have exactly these (of world.SILENCEABLE) answer nothing to anybody."""
        for name in names:
            if name not in world.SILENCEABLE:
                hint = "one of: " + " ".join(world.SILENCEABLE)
                raise PostolkaError(name, "is nobody who can be silent", hint=hint)
        self.call({"op": "silence", "names": names})

    def lookup(self, name: str, kind: str) -> list[bytes]:
        """Return the data of the records that the lab's validating resolver finds.

        Raises PostolkaError for a failure, such as a signature that doesn't hold.
        """
        return query.values(query.ask(self.strangers, world.RESOLVER.ipv4, name, kind), kind)

    def txt(self, name: bytes, timeout: float = 5) -> bytes | None:  # noqa: ARG002 - dkimpy's own
        """Return one TXT record, as dkimpy's `dnsfunc` has to."""
        found = self.lookup(name.decode("ascii"), "TXT")
        return found[0] if found else None

    def connect(self, address: str, port: int, *, source: str | None = None) -> socket.socket:
        """Return a TCP connection from a stranger's host, from the address `source` there."""
        return namespace.connect(self.strangers, address, port, source=source)

    def call(
        self, request: dict[str, Any], descriptors: list[int] | None = None
    ) -> tuple[dict[str, Any], list[int]]:
        """Ask the lab's process for something (server.Server); return what it answers."""
        try:
            control.send(self._connection, request, descriptors or [])
            answer, given = control.receive(self._connection)
        except (OSError, EOFError) as error:
            hint = f"its log is in {self.directory}"
            raise PostolkaError(self.name, "the lab has ended", hint=hint) from error
        if "error" in answer:
            where, problem, hint = answer["error"]
            raise PostolkaError(where, problem, hint=hint)
        return answer, given


def find(name: str = DEFAULT) -> Lab:
    """Return a connection to the lab `name`. Raises PostolkaError where it isn't running."""
    machine = next((lab for lab in machines.running("lab") if lab.name == name), None)
    if machine is None:
        raise PostolkaError(name, "no such lab is running", hint="postolka lab start")
    return Lab(name)


def zone_beside(user_data: Path | None) -> str:
    """Return the text of the file `zone` beside a user-data file; empty without user-data.

    Raises PostolkaError where it isn't there: no mail would find the machine, and no signature of
    its would hold.
    """
    if user_data is None:
        return ""
    path = user_data.absolute().with_name("zone")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        hint = "the lab's DNS loads it: postolka instance new writes it beside user-data"
        raise PostolkaError(str(path), f"can't be read: {why}", hint=hint) from error


def start(
    name: str = DEFAULT, *, keep: bool = False, progress: Callable[[str], None] | None = None
) -> Lab:
    """Return a connection to the lab `name`, started if it isn't running.

    A started one stays until it is stopped with `keep`, else until nobody is connected.
    """
    say = progress or (lambda _: None)
    with _only_one():
        if any(lab.name == name for lab in machines.running("lab")):
            return Lab(name)
        root.realise(say)
        say(f"starting the lab {name}")
        with machines.starting("lab", name) as directory:
            _start(directory, keep=keep)
            return Lab(name)


def _start(directory: Path, *, keep: bool) -> None:
    log = directory / "log"
    log.mkdir()
    options = ["--keep"] if keep else []
    process = spawn(program("postolka.lab.server", str(directory), *options), log / "server")
    machines.save(Machine(name=directory.name, kind="lab", processes=(process,), ports={}))
    deadline = time.monotonic() + _START_SECONDS
    while not (directory / control.NAME).exists():
        if not process.is_alive or time.monotonic() > deadline:
            text = (log / "server").read_text(encoding="utf-8", errors="replace")
            tail = "\n".join(f"  | {line}" for line in text.splitlines()[-_TAIL_LINES:])
            raise PostolkaError(directory.name, f"the lab does not start\n{tail}")
        time.sleep(_POLL_SECONDS)


def _connect(directory: Path) -> socket.socket:
    connection = control.new_socket()
    try:
        with control.address(directory) as path:
            connection.connect(path)
    except OSError as error:
        connection.close()
        raise PostolkaError(directory.name, "the lab does not answer") from error
    return connection


@contextlib.contextmanager
def _only_one() -> Iterator[None]:
    """Hold back others that would start a lab."""
    home.machines().mkdir(parents=True, exist_ok=True)
    with (home.machines() / ".lab-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
