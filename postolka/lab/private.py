"""A wire with one machine and a router on it: what a container gets that is in no lab."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from postolka.lab import nameserver, root, segment, world
from postolka.lab.client import Place
from postolka.lab.segment import Station
from postolka.lab.services import Service, Services

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_INSIDE = nameserver.DIRECTORY
_log = logging.getLogger("wire")


@dataclass(frozen=True, slots=True)
class Wire:
    """Where a machine is, and the namespace beside it."""

    router: int
    place: Place


class Private:
    """The wire of the machine `name`; its router's files are below `directory`.

    The machine gets `addresses` (the first of each family), or ones for documentation.
    """

    def __init__(
        self, name: str, directory: Path, addresses: Iterable[str], inner: int | None
    ) -> None:
        given = segment.pick(addresses, (), (world.SERVERS_V4, world.SERVERS_V6))
        station = Station(name=name, addresses=given)
        router = segment.make()
        segment.take_addresses(router, [station])
        tap = None
        if inner is None:
            tap = segment.plug_vm(router, station)
        else:
            segment.plug_container(router, station, inner)
        place = directory / "router"
        place.mkdir(exist_ok=True)
        (place / "dnsmasq.conf").write_text(segment.dnsmasq([station]), encoding="ascii")
        self._services = Services(root.realise(_log.info), directory / "log")
        service = Service(
            name="dnsmasq",
            where=router,
            argv=("dnsmasq", f"--conf-file={_INSIDE}/dnsmasq.conf"),
            writes={_INSIDE: place},
        )
        self._services.start(service)
        self._descriptors = [router] if tap is None else [router, tap]
        self.wire = Wire(router, Place(mac=station.mac, addresses=given, tap=tap))

    def close(self) -> None:
        """Take the router away."""
        self._services.stop_all()
        for descriptor in self._descriptors:
            os.close(descriptor)
