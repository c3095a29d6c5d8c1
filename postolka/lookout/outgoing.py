"""Whether mail can leave: somebody's mail server answers, or the relay hosts do."""

from __future__ import annotations

import socket
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from postolka.errors import Problem
from postolka.instance.checks.check import Check, Figure
from postolka.lookout import route

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postolka.live import Lookup
    from postolka.lookout.facts import Facts
    from postolka.lookout.route import Family

_PORT = 25
#: TLS from the first byte, so no greeting to read (RFC 8314).
_IMPLICIT_TLS = 465
_CONNECT_SECONDS = 10
#: Some servers let a client wait before they greet.
_GREETING_SECONDS = 30
_READY = b"220"
_SAID = 60


def check(facts: Facts, ask: Lookup) -> Check:
    """Try the relay hosts, and port 25 unless all mail goes to one."""
    relays = list(_unreached_relays(facts, ask))
    if facts.is_relayed:
        text = f"{len(facts.relays)} relay hosts, {len(relays) or 'none'} out of reach"
        return Check(name="outgoing", text=text, problems=tuple(relays))
    found = _direct(facts, ask)
    return replace(found, warnings=(*found.warnings, *relays))


def _direct(facts: Facts, ask: Lookup) -> Check:
    hosts = [host for domain in facts.probes for host in _servers(domain, ask)]
    failures: dict[str, str] = {}
    reached = {}
    for family in route.FAMILIES:
        if route.source(family):
            failures[family.name] = "no server has such an address"
            for host, address in _addresses(hosts, family, ask):
                failures[family.name] = greeted(address, _PORT)
                if not failures[family.name]:
                    reached[family.name] = host
                    break
    if not hosts:
        text = f"no mail server is known of {' or '.join(facts.probes)}"
        return Check(name="outgoing", text=text, warnings=(Problem("port 25", text),))
    figures = [
        Figure(name="port_25_open", value=name in reached, labels={"family": name})
        for name in failures
    ]
    said = [f"not by {name}: {why}" for name, why in failures.items() if why]
    text = " and ".join(f"{host} greets by {name}" for name, host in reached.items())
    if reached:
        return Check(
            name="outgoing",
            text=f"port 25 is open, {text}",
            warnings=tuple(Problem("port 25", item) for item in said),
            figures=tuple(figures),
        )
    why = "; ".join(said) or "there is no way out"
    text = f"no mail can leave, {why}. Many providers open it on request"
    return Check(
        name="outgoing",
        text="port 25 is shut",
        problems=(Problem("port 25", text),),
        figures=tuple(figures),
    )


def _unreached_relays(facts: Facts, ask: Lookup) -> Iterator[Problem]:
    for relay in facts.relays:
        why = "has no address"
        found = (_addresses([relay.host], family, ask) for family in route.FAMILIES)
        for _, address in chain.from_iterable(found):
            why = greeted(address, relay.port)
            if not why:
                break
        if why:
            yield Problem(f"{relay.host} port {relay.port}", f"the relay host {why}")


def _servers(domain: str, ask: Lookup) -> list[str]:
    """Return the mail servers of a domain, the preferred ones first (RFC 5321, 5.1)."""
    found = [value.split() for value in ask(f"{domain}.", "MX").values]
    ordered = sorted((int(preference), host) for preference, host in found)
    return [host.removesuffix(".") for _, host in ordered]


def _addresses(hosts: list[str], family: Family, ask: Lookup) -> Iterator[tuple[str, str]]:
    for host in hosts:
        if host.replace(".", "").isdigit() or ":" in host:
            if (":" in host) == (family.kind == "AAAA"):
                yield host, host
            continue
        for address in ask(f"{host}.", family.kind).values:
            yield host, address


def greeted(address: str, port: int) -> str:
    """Return why no server greets at this address; empty: one does."""
    try:
        with socket.create_connection((address, port), timeout=_CONNECT_SECONDS) as connection:
            if port == _IMPLICIT_TLS:
                return ""
            connection.settimeout(_GREETING_SECONDS)
            said = connection.recv(512)
            connection.sendall(b"QUIT\r\n")
    except OSError as error:
        return f"{address} doesn't answer ({error.strerror or error})"
    if said.startswith(_READY):
        return ""
    words = "".join(c if c.isprintable() else " " for c in said.decode("ascii", "replace"))
    return f"{address} says {words[:_SAID].strip() or 'nothing'}"
