"""Names proved in the DNS (RFC 8555, 8.4): a record put into the zone by its primary (RFC 2136).

The answer stands under `_acme-challenge` before the name, or where a CNAME there leads: so the name
server that takes updates needs to know no more than a zone for this alone.
"""

from __future__ import annotations

import ipaddress
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.tsig
import dns.update

if TYPE_CHECKING:
    from collections.abc import Iterator

_PORT = 53
_SECONDS = 20
#: The authority may ask any of the zone's servers, and a secondary needs a while.
_SPREAD_SECONDS = 120
_POLL_SECONDS = 2
_TTL_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Primary:
    """Who takes updates."""

    server: str
    key: dns.tsig.Key

    @classmethod
    def load(cls, file: Path) -> Primary:
        """Read what root has left."""
        data = json.loads(file.read_bytes())
        key = dns.tsig.Key(data["key_name"], data["secret"], f"{data['algorithm']}.")
        return cls(server=data["server"], key=key)


def main() -> int:
    """Put the answer into the DNS (`begin`), or take it out again, for the client's hook."""
    step, name, answer = sys.argv[1:]
    primary = Primary.load(Path(os.environ["RUNTIME_DIRECTORY"]) / "update.json")
    try:
        place = dns.resolver.canonical_name(f"_acme-challenge.{name}.")
        zone = dns.resolver.zone_for_name(place)
        _change(primary, zone, place, answer, is_there=step == "begin")
        if step == "begin":
            _wait(primary, zone, place, answer)
    except (dns.exception.DNSException, OSError) as error:
        # The client passes it on to its log.
        sys.stderr.write(f"{name}: {primary.server}: {error}\n")
        return 1
    return 0


def _change(
    primary: Primary, zone: dns.name.Name, place: dns.name.Name, answer: str, *, is_there: bool
) -> None:
    update = dns.update.UpdateMessage(zone)
    update.use_tsig(primary.key)
    if is_there:
        update.add(place, _TTL_SECONDS, "TXT", answer)
    else:
        update.delete(place, "TXT", answer)
    address = next(_addresses(primary.server))
    response = dns.query.tcp(update, address, timeout=_SECONDS, port=_PORT)
    if response.rcode() != dns.rcode.NOERROR:
        raise OSError(f"refuses the update: {dns.rcode.to_text(response.rcode())}")


def _wait(primary: Primary, zone: dns.name.Name, place: dns.name.Name, answer: str) -> None:
    """Wait until every server of the zone has the record; one that never answers is left out."""
    servers = [
        address
        for record in dns.resolver.resolve(zone, "NS")
        for address in _addresses(record.target.to_text())
    ]
    behind = set(servers) - set(_addresses(primary.server))
    end = time.monotonic() + _SPREAD_SECONDS
    while behind and time.monotonic() < end:
        behind = {address for address in behind if not _has(address, place, answer)}
        if behind:
            time.sleep(_POLL_SECONDS)


def _has(address: str, place: dns.name.Name, answer: str) -> bool:
    query = dns.message.make_query(place, "TXT")
    try:
        response = dns.query.tcp(query, address, timeout=_SECONDS, port=_PORT)
    except (dns.exception.DNSException, OSError):
        # Not every server can be reached from everywhere, by both families.
        return True
    texts = (item.to_text() for rrset in response.answer for item in rrset)
    return f'"{answer}"' in texts


def _addresses(host: str) -> Iterator[str]:
    """Yield the addresses of a host, or the address that it is already."""
    try:
        yield str(ipaddress.ip_address(host))
    except ValueError:
        for kind in ("A", "AAAA"):
            for record in dns.resolver.resolve(host, kind, raise_on_no_answer=False):
                yield record.to_text()
