"""The records to publish as DNS providers' web forms want them: zone, host in it, type, value.

Pure: no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from postolka.instance.dns import Record
    from postolka.instance.model import Instance


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One record in a form."""

    zone: str
    """The zone that the form is for, without a final dot; of a PTR record its owner's: empty."""
    host: str
    """The record's name in that zone; `@`: the zone's own. Of a PTR record the whole name."""
    record: Record

    def as_data(self, ttl_seconds: int) -> dict[str, str | int]:
        """Return plain data, ready for JSON."""
        record = self.record
        return {
            "zone": self.zone,
            "host": self.host,
            "name": record.name,
            "type": record.type,
            "ttl": ttl_seconds,
            "data": record.data,
            "value": record.value,
            "why": record.why,
            "advice": record.advice,
        }


def rows(instance: Instance, records: Iterable[Record]) -> list[Row]:
    """Return a row for each record, in their order."""
    zones = [domain.name for domain in instance.domains]
    own = instance.hostname
    if not any(_is_below(own, zone) for zone in zones):
        # Nobody says where that zone begins: mostly one label further up.
        parent = own.partition(".")[2]
        zones.append(parent if "." in parent else own)
    return [_row(record, zones) for record in records]


def table(rows: Iterable[Row], *, ttl_seconds: int) -> str:
    """Return the rows as text, a block for each zone."""
    by_zone: dict[str, list[Row]] = {}
    for row in rows:
        by_zone.setdefault(row.zone, []).append(row)
    return "\n".join(
        "".join(f"{line}\n" for line in _block(zone, found, ttl_seconds))
        for zone, found in by_zone.items()
    )


def _block(zone: str, rows: list[Row], ttl_seconds: int) -> Iterator[str]:
    yield zone or "to ask the owner of the addresses for"
    cells = [("HOST", "TYPE", "TTL", "VALUE")]
    cells += [
        (row.host, row.record.type, str(ttl_seconds) if zone else "-", row.record.value)
        for row in rows
    ]
    widths = [max(len(line[column]) for line in cells) for column in range(3)]
    for line in cells:
        aligned = [text.ljust(width) for text, width in zip(line, widths, strict=False)]
        yield "  ".join(("", *aligned, line[-1]))
    for row in rows:
        if row.record.advice:
            yield f"{row.host} {row.record.type}: {row.record.advice}"


def _row(record: Record, zones: list[str]) -> Row:
    name = record.name.removesuffix(".")
    found = [zone for zone in zones if _is_below(name, zone)]
    if record.type == "PTR" or not found:
        return Row(zone="", host=name, record=record)
    zone = max(found, key=len)
    return Row(zone=zone, host=name.removesuffix(zone).removesuffix(".") or "@", record=record)


def _is_below(name: str, zone: str) -> bool:
    return name == zone or name.endswith(f".{zone}")
