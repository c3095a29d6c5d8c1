"""What a lookout has to know of the instance's data: nothing secret but the name of a list.

`make` is root's part. Pure: no I/O.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from postolka.instance import dns
from postolka.instance.house import ports
from postolka.instance.transport import Dnsbl
from postolka.published import Wanted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from postolka.instance.model import Instance


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """A relay host."""

    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All of it."""

    serial: int
    wanted: Wanted
    relays: tuple[Relay, ...]
    is_relayed: bool
    """Whether all mail goes to a relay host."""
    lists: tuple[Dnsbl, ...]
    probes: tuple[str, ...]
    """Domains whose mail servers are tried."""

    def as_data(self) -> dict[str, Any]:
        """Return plain data, ready for JSON."""
        return asdict(self)


def make(instance: Instance, house: Mapping[str, Any]) -> Facts:
    """Take them out of an instance's data and the image's manifest."""
    records = dns.records(instance, ports(house))
    return Facts(
        serial=instance.serial,
        wanted=Wanted.of(instance, records),
        relays=tuple(Relay(host=relay.host, port=relay.port) for relay in instance.relays),
        is_relayed=any(relay.is_for_all for relay in instance.relays),
        lists=instance.dnsbl_sites,
        probes=tuple(house["settings"]["status"]["probe_domains"].split()),
    )


def load(data: Mapping[str, Any]) -> Facts:
    """Return what `as_data` made plain."""
    wanted = data["wanted"]
    return Facts(
        serial=data["serial"],
        wanted=Wanted(
            hostname=wanted["hostname"],
            addresses=tuple(wanted["addresses"]),
            domains=tuple(wanted["domains"]),
            records=tuple(dns.Record(**item) for item in wanted["records"]),
        ),
        relays=tuple(Relay(**item) for item in data["relays"]),
        is_relayed=data["is_relayed"],
        lists=tuple(Dnsbl(**item) for item in data["lists"]),
        probes=tuple(data["probes"]),
    )
