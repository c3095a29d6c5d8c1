"""The process that owns a lab: its namespaces, its services, and who is in it.

Run as a program: `python -m postolka.lab.server DIRECTORY [--keep]`. Without --keep it ends when
nobody has been connected for some seconds. All work is done by the main thread, one job at a time;
a thread for each connection only waits.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import queue
import signal
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from postolka.errors import PostolkaError
from postolka.lab import blocklists, control, root, segment, world, zones
from postolka.lab.internet import Internet
from postolka.lab.segment import Station

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    import dns.rrset

#: Without --keep: how long a lab waits for somebody.
_IDLE_SECONDS = 5.0
_TICK_SECONDS = 0.5
_log = logging.getLogger("lab")


@dataclass(frozen=True, slots=True)
class Member:
    """A machine in the lab."""

    station: Station
    rrsets: list[dns.rrset.RRset]


class Server:
    """A lab that runs."""

    def __init__(self, directory: Path, *, keep: bool) -> None:
        self._directory = directory
        self._keep = keep
        self._internet = Internet(directory, root.realise(_log.info))
        self._members: dict[str, Member] = {}
        self._published: dict[str, list[dns.rrset.RRset]] = {}
        self._blocked: dict[blocklists.Entry, list[str]] = {}
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._connections = 0
        self._idle_since = time.monotonic()

    def run(self) -> None:
        """Start everything, then work until told to stop."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: self._jobs.put(None))
        try:
            self._internet.start(self._records())
            self._listen()
            while self._work():
                pass
        finally:
            (self._directory / control.NAME).unlink(missing_ok=True)
            self._internet.stop()

    def _work(self) -> bool:
        """Do the next job; return whether to go on."""
        try:
            job = self._jobs.get(timeout=_TICK_SECONDS)
        except queue.Empty:
            self._internet.revive()
            idle = time.monotonic() - self._idle_since
            return self._keep or self._connections > 0 or idle < _IDLE_SECONDS
        if job is None:
            return False
        job()
        return True

    def _listen(self) -> None:
        listener = control.new_socket()
        # Under its own name only once it listens: who sees it may connect.
        new = f".{control.NAME}"
        with control.address(self._directory, new) as path:
            listener.bind(path)
        listener.listen()
        (self._directory / new).rename(self._directory / control.NAME)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        """Answer one client until it goes, then take its machine out."""
        joined: list[str] = []
        self._do(self._came)
        with contextlib.suppress(OSError, EOFError), connection:
            while True:
                request, descriptors = control.receive(connection)
                try:
                    answer, given = self._do(
                        lambda request=request, descriptors=descriptors: self._answer(  # type: ignore[misc]
                            request, descriptors, joined
                        )
                    )
                except PostolkaError as error:
                    answer, given = {"error": [error.where, error.problem, error.hint]}, []
                finally:
                    for descriptor in descriptors:
                        os.close(descriptor)
                control.send(connection, answer, given)
                for descriptor in given if request["op"] == "join" else ():
                    os.close(descriptor)
        self._do(lambda: self._went(joined))

    def _do(self, work: Callable[[], Any]) -> Any:  # noqa: ANN401 - the result is the job's own
        """Have the main thread do `work`; return its result or raise its error."""
        done: Future[Any] = Future()

        def job() -> None:
            try:
                done.set_result(work())
            except BaseException as error:  # noqa: BLE001 - it is the caller's
                _log.debug("job failed", exc_info=True)
                done.set_exception(error)

        self._jobs.put(job)
        return done.result()

    def _came(self) -> None:
        self._connections += 1

    def _went(self, joined: list[str]) -> None:
        self._connections -= 1
        self._idle_since = time.monotonic()
        if joined:
            for name in joined:
                self._members.pop(name, None)
            self._refresh()

    def _answer(
        self, request: dict[str, Any], descriptors: list[int], joined: list[str]
    ) -> tuple[dict[str, Any], list[int]]:
        if request["op"] == "open":
            return {}, list(self._internet.namespaces)
        if request["op"] != "join":
            return self._change(request), []
        name = request["name"]
        if name in self._members:
            raise PostolkaError(name, "is in the lab already")
        member = self._member(request)
        given = []
        if descriptors:
            segment.plug_container(self._internet.router, member.station, descriptors[0])
        else:
            given.append(segment.plug_vm(self._internet.router, member.station))
        self._members[name] = member
        joined.append(name)
        self._refresh()
        _log.info("%s joined with %s", name, member.station.addresses)
        return {"mac": member.station.mac, "addresses": member.station.addresses}, given

    def _change(self, request: dict[str, Any]) -> dict[str, Any]:
        """Change what the lab's own inhabitants say."""
        if request["op"] == "silence":
            self._internet.silence(request["names"])
            return {}
        if request["op"] == "unname":
            self._internet.nameless = frozenset(request["addresses"])
        elif request["op"] == "publish":
            rrsets = zones.read(request["zone"], where=request["where"])
            self._published[request["name"]] = rrsets
        else:
            found = blocklists.entries(
                request["subject"], request["where"], tuple(request["answers"])
            )
            if request["op"] == "block":
                self._blocked |= found
            else:
                self._blocked = {e: told for e, told in self._blocked.items() if e not in found}
        self._refresh()
        return {}

    def _member(self, request: dict[str, Any]) -> Member:
        rrsets = zones.read(request["zone"], where=request["where"])
        hostname = request["hostname"]
        addresses = segment.pick(
            zones.addresses(rrsets, hostname) if hostname else (),
            (item for member in self._members.values() for item in member.station.addresses),
            (world.SERVERS_V4, world.SERVERS_V6),
        )
        if hostname and not zones.addresses(rrsets, hostname):
            rrsets += zones.host(hostname, addresses)
        return Member(Station(name=request["name"], addresses=addresses), rrsets)

    def _refresh(self) -> None:
        stations = [member.station for member in self._members.values()]
        self._internet.refresh(stations, self._records())

    def _records(self) -> list[dns.rrset.RRset]:
        """Return all that is published besides the world itself."""
        given = [member.rrsets for member in self._members.values()] + [*self._published.values()]
        lists = zones.read(blocklists.zone(self._blocked), where="blocklists")
        return [*lists, *(rrset for rrsets in given for rrset in rrsets)]


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("--keep", action="store_true")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    # Daemons read their files as users of their own; the directory above is private.
    os.umask(0o022)
    Server(arguments.directory, keep=arguments.keep).run()


if __name__ == "__main__":
    _main()
