"""Who lives in the lab besides its name servers: the outside's mail server, and services of many.

Each is a program with a directory of its own below the lab's.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from postolka.lab import acme, keys, mirror, nameserver, query, razor, services, world
from postolka.lab.services import Service
from postolka.processes import program

_INSIDE = nameserver.DIRECTORY
_SCRIPT = Path(__file__).with_name("outside.sh")
_SMTP = 25
_NTP = 123
_PYZOR = 24441


@dataclass(frozen=True, slots=True, kw_only=True)
class Inhabitant:
    """A service, and how one sees from elsewhere that it is there."""

    service: Service
    host: world.Host
    port: int
    is_udp: bool = False

    def is_up(self, where: int) -> bool:
        """Return whether it answers `where`; by UDP, whether it listens."""
        if self.is_udp:
            return services.listens(self.service.where, self.port)
        return services.answers(where, self.host.ipv4, self.port)


def every(directory: Path, outside: int, strangers: int) -> list[Inhabitant]:
    """Return all of them, with their files below `directory` and their homes in two namespaces."""
    return [
        Inhabitant(service=_outside(directory, outside), host=world.OUTSIDE, port=_SMTP),
        Inhabitant(service=_sink(directory, strangers), host=world.SINK, port=_SMTP),
        Inhabitant(service=_acme(directory, strangers), host=world.ACME, port=acme.PORT),
        Inhabitant(service=_mirror(directory, strangers), host=world.MIRROR, port=mirror.PORT),
        Inhabitant(service=_ntp(directory, strangers), host=world.NTP, port=_NTP, is_udp=True),
        Inhabitant(
            service=_pyzor(directory, strangers), host=world.PYZOR, port=_PYZOR, is_udp=True
        ),
        Inhabitant(service=_razor(strangers), host=world.RAZOR, port=razor.PORT),
    ]


def place(directory: Path, name: str) -> Path:
    """Return the directory of one service, made if need be."""
    found = directory / name
    found.mkdir(mode=0o755, exist_ok=True)
    return found


def write(path: Path, text: str) -> None:
    """Write a configuration file."""
    path.write_text(text, encoding="ascii")


def _outside(directory: Path, where: int) -> Service:
    """Return a stock Postfix."""
    own = place(directory, "outside")
    shutil.copy(_SCRIPT, own / _SCRIPT.name)
    write(own / "resolv.conf", query.resolv_conf())
    writes = {_INSIDE: own}
    for name, path in (("spool", "/var/spool/postfix"), ("mail", "/var/mail")):
        writes[path] = place(own, name)
    argv = ("sh", f"{_INSIDE}/{_SCRIPT.name}")
    return Service(name="outside", where=where, argv=argv, writes=writes)


def _sink(directory: Path, where: int) -> Service:
    own = str(place(directory, "sink"))
    argv = program("postolka.lab.sink", own, *world.SINK.addresses)
    return Service(name="sink", where=where, argv=argv, is_own=True)


def _acme(directory: Path, where: int) -> Service:
    """Return Pebble."""
    certificate, key = acme.certificate(keys.kept("acme-authority"), datetime.now(UTC))
    own = place(directory, "acme")
    (own / "certificate.pem").write_bytes(certificate)
    (own / "key.pem").write_bytes(key)
    write(own / "pebble.json", acme.configuration(_INSIDE))
    return Service(
        name="acme",
        where=where,
        # Without these it waits, refuses every twentieth request to teach its clients, and takes a
        # name for proved, half the time, that was so once.
        argv=(
            *("env", "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0", "PEBBLE_AUTHZREUSE=0"),
            *("pebble", "-config", f"{_INSIDE}/pebble.json"),
            *("-dnsserver", f"{world.RESOLVER.ipv4}:53"),
        ),
        writes={_INSIDE: own},
    )


def _mirror(directory: Path, where: int) -> Service:
    own = str(place(directory, mirror.DIRECTORY))
    argv = program("postolka.lab.mirror", own, *world.MIRROR.addresses)
    return Service(name="mirror", where=where, argv=argv, is_own=True)


def _ntp(directory: Path, where: int) -> Service:
    """Return chronyd, which tells the host's time and never sets it (-x)."""
    own = place(directory, "ntp")
    lines = [
        "local stratum 2",
        "allow all",
        *(f"bindaddress {address}" for address in world.NTP.addresses),
        "cmdport 0",
        f"pidfile {_INSIDE}/chronyd.pid",
        "bindcmdaddress /",
    ]
    write(own / "chrony.conf", "".join(f"{line}\n" for line in lines))
    argv = ("chronyd", "-d", "-x", "-u", "root", "-f", f"{_INSIDE}/chrony.conf")
    return Service(name="ntp", where=where, argv=argv, writes={_INSIDE: own})


def _pyzor(directory: Path, where: int) -> Service:
    """Return Pyzor's own server. Anybody may check and report, which is its default."""
    return Service(
        name="pyzor",
        where=where,
        argv=("pyzord", "--homedir", _INSIDE, "--address", world.PYZOR.ipv4),
        writes={_INSIDE: place(directory, "pyzor")},
    )


def _razor(where: int) -> Service:
    argv = program("postolka.lab.razor", world.RAZOR.ipv4)
    return Service(name="razor", where=where, argv=argv, is_own=True)
