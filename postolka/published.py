"""Compare the records that an instance needs with what is live, and see whether DANE can count.

Pure but for what it is given to ask with.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from postolka.instance import dns, spf

if TYPE_CHECKING:
    from collections.abc import Iterable

    from postolka.instance.model import Instance
    from postolka.live import Lookup


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a server wants published: nothing of it is secret."""

    hostname: str
    addresses: tuple[str, ...]
    domains: tuple[str, ...]
    records: tuple[dns.Record, ...]

    @classmethod
    def of(cls, instance: Instance, records: Iterable[dns.Record]) -> Wanted:
        """Return what `instance` wants, which are `records`."""
        return cls(
            hostname=instance.hostname,
            addresses=instance.addresses,
            domains=tuple(domain.name for domain in instance.domains),
            records=tuple(records),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Records of one name and type that aren't as they should be."""

    name: str
    """With its final dot."""
    type: str
    expected: tuple[str, ...]
    """Values as `live.value` has them; empty: there should be none."""
    found: tuple[str, ...]
    failure: str = ""
    """What is wrong where the values don't say it, for example that there is no answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the comparison came to."""

    checked: int
    """Number of names and types that were looked up."""
    differences: tuple[Difference, ...]
    dnssec: dict[str, bool]
    """Of the host and of each domain: whether the resolver vouches for what DANE depends on."""
    ttl_seconds: int
    """The longest that others keep one of the records; 0: there are none."""


def compare(server: Wanted, ask: Lookup) -> Report:
    """Look each of the records up. Raises PostolkaError where nobody answers."""
    known = cache(ask)
    host = f"{server.hostname}."
    addresses = server.addresses or tuple(
        address for kind in ("A", "AAAA") for address in known(host, kind).values
    )
    wanted: dict[tuple[str, str], list[str]] = {}
    if server.addresses:
        # An address that isn't the server's is one more where mail gets lost.
        wanted = {(host, "A"): [], (host, "AAAA"): []}
    for record in (*server.records, *dns.reverse(server.hostname, addresses)):
        wanted.setdefault((record.name, record.type), []).append(record.value)
    differences = [_difference(name, kind, known, wanted[name, kind]) for name, kind in wanted]
    if not addresses:
        missing = known(host, "A").failure or "an address of the server is missing, A or AAAA"
        differences.append(Difference(name=host, type="A", expected=(), found=(), failure=missing))
    return Report(
        checked=known.cache_info().currsize,
        differences=tuple(item for item in differences if item),
        dnssec=_dnssec(server, wanted, known),
        # Those of reverse names are the provider's.
        ttl_seconds=max(
            (known(item.name, item.type).ttl_seconds for item in server.records), default=0
        ),
    )


def _difference(name: str, kind: str, ask: Lookup, expected: list[str]) -> Difference | None:
    answer = ask(name, kind)
    found = answer.values
    if kind == "TXT" and any(map(spf.is_record, expected)):
        # Others have their texts at a domain's own name, too.
        found = tuple(filter(spf.is_record, found))
    same = sorted(_form(kind, item) for item in expected) == sorted(
        _form(kind, item) for item in found
    )
    if same and not answer.failure:
        return None
    return Difference(
        name=name, type=kind, expected=tuple(expected), found=found, failure=answer.failure
    )


def _form(kind: str, value: str) -> str:
    """Return what of a value makes a difference to its readers."""
    if kind != "TXT":
        return value.lower()
    if spf.is_record(value):
        return " ".join(value.lower().split())
    # Tags and values, between which spaces don't count (RFC 6376, 3.2; RFC 7489, 6.4).
    return "".join(value.split()).removesuffix(";")


def _dnssec(server: Wanted, wanted: Iterable[tuple[str, str]], ask: Lookup) -> dict[str, bool]:
    """Return, by name, whether the answers are authentic that DANE needs so (RFC 7672, 2.2)."""
    host = f"{server.hostname}."
    needed = [(domain, (f"{domain}.", "MX")) for domain in server.domains]
    needed += [
        (server.hostname, (name, kind))
        for name, kind in wanted
        if kind == "TLSA" or (name == host and kind in ("A", "AAAA"))
    ]
    found: dict[str, bool] = {}
    for zone, question in needed:
        found[zone] = found.get(zone, True) and ask(*question).is_authentic
    return found
