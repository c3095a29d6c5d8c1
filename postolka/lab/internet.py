"""What a lab consists of: the router with the name servers, the outside, the strangers.

router     the wire of the machines that are tried; DHCP; root, top-level and other name
           servers; a resolver
outside    somebody else's mail server
strangers  a sink for mail, the certificate authority, the servers that spam filters ask, and a
           hundred addresses without a name
"""

from __future__ import annotations

import base64
import os
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from postolka import namespace
from postolka.errors import PostolkaError
from postolka.lab import inhabitants, keys, nameserver, query, segment, world, zones
from postolka.lab.services import Service, Services

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import dns.message
    import dns.rrset

    from postolka.lab.segment import Station
    from postolka.tools import Tools

_BRIDGE = "outside"
_INSIDE = nameserver.DIRECTORY
_ASK_SECONDS = 0.3
#: Signatures are valid on machines whose clock is a little behind.
_SKEW = timedelta(days=1)


class Internet:
    """The namespaces and services of one lab, with its files below `directory`."""

    def __init__(self, directory: Path, tools: Tools) -> None:
        self._directory = directory
        self._services = Services(tools, directory / "log")
        self._keys = keys.Keys()
        self._serial = 0
        self._zones: list[zones.Signed] = []
        self.nameless: frozenset[str] = frozenset()
        """Addresses that the next `refresh` gives no reverse name."""
        self._world = zones.read(world.ZONE.read_text(encoding="ascii"), where=world.ZONE.name)
        self.router = segment.make()
        self.outside = namespace.make()
        self.strangers = namespace.make()

    @property
    def namespaces(self) -> tuple[int, int, int]:
        """Descriptors of the router, the outside, and the strangers."""
        return self.router, self.outside, self.strangers

    def start(self, rrsets: Iterable[dns.rrset.RRset]) -> None:
        """Lay the cables and start every service; return when all of them answer.

        The lab knows these records besides its own.
        """
        self._lay_cables()
        self._rndc_key = base64.b64encode(os.urandom(32)).decode("ascii")
        self._write_zones(rrsets)
        self._write_resolver()
        service = Service(
            name="authority",
            where=self.router,
            argv=("named", "-g", "-c", f"{_INSIDE}/named.conf"),
            writes={_INSIDE: self._place("authority")},
        )
        self._services.start(service)
        self._services.start(self._resolver())
        others = inhabitants.every(self._directory, self.outside, self.strangers)
        for inhabitant in others:
            self._services.start(inhabitant.service)
        self._services.wait("authority", self._is_published)
        self._services.wait("resolver", self._is_resolved)
        for inhabitant in others:
            self._services.wait(
                inhabitant.service.name,
                lambda inhabitant=inhabitant: inhabitant.is_up(self.router),  # type: ignore[misc]
            )

    def stop(self) -> None:
        """Kill every service; the namespaces go with this process."""
        self._services.stop_all()

    def revive(self) -> None:
        """Start again whatever ended by itself."""
        self._services.revive()

    def refresh(self, stations: Sequence[Station], rrsets: Iterable[dns.rrset.RRset]) -> None:
        """Make the lab know exactly these machines and records besides its own."""
        segment.take_addresses(self.router, stations)
        self._write("dnsmasq", "dnsmasq.conf", segment.dnsmasq(stations))
        if stations:
            self._services.start(self._dnsmasq())
        else:
            self._services.stop("dnsmasq")
        self._write_zones(rrsets)
        # Of the configuration and of each zone whose file is newer.
        self._rndc("reload")
        self._services.wait("authority", self._is_published)
        # It must not remember what it heard before.
        self._services.start(self._resolver())
        self._services.wait("resolver", self._is_resolved)

    def silence(self, names: Iterable[str]) -> None:
        """Have exactly these (of world.SILENCEABLE) answer nothing; packets to them vanish."""
        hosts = [world.SILENCEABLE[name] for name in names]
        self._write("router", "silent.nft", segment.silent(hosts))
        place = {_INSIDE: self._place("router")}
        self._services.call(self.router, ("nft", "-f", f"{_INSIDE}/silent.nft"), place)

    def _lay_cables(self) -> None:
        namespace.ip(
            self.router,
            f"link add {_BRIDGE} type bridge forward_delay 0 stp_state 0",
            f"link set {_BRIDGE} up",
            *(_take(host, _BRIDGE) for host in world.ON_ROUTER),
        )
        strangers = [world.stranger(number) for number in range(100)]
        homes = (
            (self.outside, "outside0", [world.OUTSIDE]),
            (self.strangers, "outside1", [*world.AMONG_STRANGERS, *strangers]),
        )
        for home, link, hosts in homes:
            namespace.ip(
                self.router,
                f"link add {link} type veth peer name eth0 netns {namespace.path(home)}",
                f"link set {link} master {_BRIDGE} up",
            )
            namespace.ip(
                home,
                "link set eth0 up",
                *(_take(host, "eth0") for host in hosts),
                f"route add default via {world.ROUTER.ipv4} src {hosts[0].ipv4}",
                f"route add ::/0 via {world.ROUTER.ipv6} src {hosts[0].ipv6}",
            )

    def _write_zones(self, rrsets: Iterable[dns.rrset.RRset]) -> None:
        self._serial = max(int(time.time()), self._serial + 1)
        known = {zone.name: zone for zone in self._zones}
        self._zones = zones.sign(
            zones.tree([*self._world, *rrsets], nameless=self.nameless),
            self._keys.of,
            serial=self._serial,
            inception=datetime.now(UTC) - _SKEW,
            known=known,
        )
        place = self._place("authority")
        (place / "zones").mkdir(exist_ok=True)
        for zone in self._zones:
            if zone is not known.get(zone.name):
                (place / nameserver.file_name(zone)).write_text(zone.text, encoding="ascii")
        conf = nameserver.authority(zones.by_view(self._zones), self._rndc_key)
        self._write("authority", "named.conf", conf)
        self._write("authority", "rndc.conf", nameserver.rndc(self._rndc_key))

    def _write_resolver(self) -> None:
        tag, algorithm, kind, digest = nameserver.anchor(keys.root().dnskey)
        anchor = f'{tag} {algorithm} {kind} "{digest}"'
        self._write("resolver", "named.conf", nameserver.resolver(anchor))
        self._write("resolver", "root.hints", nameserver.hints())

    def _rndc(self, command: str) -> None:
        argv = ("rndc", "-c", f"{_INSIDE}/rndc.conf", command)
        self._services.call(self.router, argv, {_INSIDE: self._place("authority")})

    def _is_published(self) -> bool:
        """Whether every zone is served in its newest form; those that stayed are."""
        try:
            return all(
                str(self._serial) in self._answer(server, zone.name, "SOA")
                for zone in self._zones
                for server in (nameserver.ADDRESSES[zone.view].ipv4,)
                if zone.serial == self._serial
            )
        except PostolkaError:
            return False

    def _is_resolved(self) -> bool:
        """Whether the resolver finds a name and vouches for it."""
        try:
            answer = self._ask(world.RESOLVER.ipv4, world.OUTSIDE.name, "A")
            return query.is_authentic(answer) and bool(query.values(answer, "A"))
        except PostolkaError:
            return False

    def _answer(self, server: str, name: str, kind: str) -> str:
        found = query.values(self._ask(server, name, kind), kind)
        return b" ".join(found).decode("ascii")

    def _ask(self, server: str, name: str, kind: str) -> dns.message.Message:
        """Ask without patience: who isn't up yet is asked again."""
        return query.ask(self.router, server, name, kind, timeout_seconds=_ASK_SECONDS)

    def _resolver(self) -> Service:
        return Service(
            name="resolver",
            where=self.router,
            argv=("named", "-g", "-c", f"{_INSIDE}/named.conf"),
            writes={_INSIDE: self._place("resolver")},
        )

    def _dnsmasq(self) -> Service:
        return Service(
            name="dnsmasq",
            where=self.router,
            argv=("dnsmasq", f"--conf-file={_INSIDE}/dnsmasq.conf"),
            writes={_INSIDE: self._place("dnsmasq")},
        )

    def _write(self, service: str, name: str, text: str) -> None:
        inhabitants.write(self._place(service) / name, text)

    def _place(self, name: str) -> Path:
        return inhabitants.place(self._directory, name)


def _take(host: world.Host, link: str) -> str:
    """Return the commands that give a link of the outside a host's addresses."""
    return (
        f"addr add {host.ipv4}/{world.OUTSIDE_V4.rpartition('/')[2]} dev {link}\n"
        f"addr add {host.ipv6}/{world.OUTSIDE_V6.rpartition('/')[2]} dev {link} nodad"
    )
