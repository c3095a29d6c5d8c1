"""A wire that machines are plugged into, and the router on it that hands out addresses.

A machine gets exactly the addresses it is announced with, whatever network they are in, by DHCP and
DHCPv6 from dnsmasq: the router takes an address in the same /24 or /64. Nothing leads from here to
the host's own network.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from typing import TYPE_CHECKING

from postolka import namespace
from postolka.errors import PostolkaError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from postolka.lab.world import Host

BRIDGE = "servers"
_PREFIX = {4: 24, 6: 64}
_ROUTER_MAC = "02:00:00:00:00:01"
#: dnsmasq's lease time; an address never changes here.
_LEASE = "12h"


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """A machine on the wire."""

    name: str
    addresses: tuple[str, ...]
    """One IPv4 address, or one IPv6 address, or one of each."""

    @property
    def mac(self) -> str:
        """Its hardware address: locally administered, made from its name."""
        digest = hashlib.sha256(self.name.encode()).hexdigest()
        return ":".join(["02", *(digest[i : i + 2] for i in range(0, 10, 2))])

    @property
    def link(self) -> str:
        """The name of the router's end of its cable (at most 15 characters)."""
        return "m" + hashlib.sha256(self.name.encode()).hexdigest()[:12]


def router_for(address: str) -> IPv4Interface | IPv6Interface:
    """Return the router's address, with its prefix length, in the network of `address`."""
    version = 6 if ":" in address else 4
    network = ip_interface(f"{address}/{_PREFIX[version]}").network
    first, second = network.network_address + 1, network.network_address + 2
    own = second if str(first) == address else first
    return ip_interface(f"{own}/{_PREFIX[version]}")


def make() -> int:
    """Return the descriptor of a new router's namespace, with the bridge of its machines."""
    made = namespace.make()
    namespace.sysctl(made, "net/ipv4/ip_forward", "1")
    namespace.sysctl(made, "net/ipv6/conf/all/forwarding", "1")
    namespace.ip(
        made,
        # No spanning tree here that would have to settle first; and an address of its own, or it
        # takes that of whichever cable was laid last and everybody's memory of it is wrong.
        f"link add {BRIDGE} address {_ROUTER_MAC} type bridge forward_delay 0 stp_state 0",
        f"link set {BRIDGE} up",
    )
    return made


def take_addresses(router: int, stations: Iterable[Station]) -> None:
    """Give the router an address in every station's networks."""
    wanted = {str(router_for(address)) for station in stations for address in station.addresses}
    commands = []
    for interface in sorted(wanted):
        # Nobody else is there who could have the address, so none of the checks that cost seconds.
        option = " nodad" if ":" in interface else ""
        commands.append(f"addr replace {interface} dev {BRIDGE}{option}")
    # An address may have had another machine, whose hardware address is still remembered.
    commands.append(f"neigh flush dev {BRIDGE}")
    namespace.ip(router, *commands)


def plug_container(router: int, station: Station, inner: int) -> None:
    """Lay a cable from the bridge to a link `host0` in the namespace `inner`."""
    with_router = namespace.path(router)
    namespace.ip(
        inner,
        f"link add host0 address {station.mac} type veth peer name {station.link}"
        f" netns {with_router}",
    )
    namespace.ip(router, f"link set {station.link} master {BRIDGE} up")


def plug_vm(router: int, station: Station) -> int:
    """Lay a cable from the bridge; return the descriptor of its other end, a tap link."""
    tap = namespace.tap(router, station.link)
    namespace.ip(router, f"link set {station.link} master {BRIDGE} up")
    return tap


def dnsmasq(stations: Iterable[Station]) -> str:
    """Return the configuration of dnsmasq for exactly these stations.

    https://thekelleys.org.uk/dnsmasq/docs/dnsmasq-man.html
    """
    lines = [
        "# From postolka/lab/segment.py: change it there.",
        "# Addresses only, no names.",
        "port=0",
        "keep-in-foreground",
        "log-facility=-",
        "user=root",
        f"interface={BRIDGE}",
        "bind-interfaces",
        "# No other server is here, so an unknown lease is refused at once instead of ignored.",
        "dhcp-authoritative",
        "# An address is fixed by its machine's name; there is nothing to remember.",
        "leasefile-ro",
        "# Don't wait for an echo from the address before offering it.",
        "no-ping",
        "enable-ra",
    ]
    networks = set()
    for station in stations:
        listed = [f"[{item}]" if ":" in item else item for item in station.addresses]
        lines.append(f"dhcp-host={','.join([station.mac, *listed, station.name, _LEASE])}")
        networks |= {router_for(address).network for address in station.addresses}
    for network in sorted(networks, key=str):
        end = f",{network.prefixlen}" if network.version == 6 else f",{network.netmask}"  # noqa: PLR2004
        lines.append(f"dhcp-range={network.network_address},static{end},{_LEASE}")
    return "\n".join(lines) + "\n"


def silent(hosts: Iterable[Host]) -> str:
    """Return nftables rules with which the router drops what is for `hosts`, silently."""
    lines = ["table inet silent", "delete table inet silent", "table inet silent {"]
    lines.append("    chain in { type filter hook prerouting priority raw; policy accept;")
    for host in hosts:
        lines += [f"        ip daddr {host.ipv4} drop", f"        ip6 daddr {host.ipv6} drop"]
    return "\n".join([*lines, "    }", "}"]) + "\n"


def pick(
    addresses: Iterable[str], taken: Iterable[str], networks: tuple[str, str]
) -> tuple[str, ...]:
    """Return the addresses a machine gets: the first of each family that is announced for it.

    Where none is announced: the first free pair of `networks` (IPv4, IPv6), from .25 on. Raises
    PostolkaError where another machine has one of them.
    """
    used = set(taken)
    chosen: dict[int, str] = {}
    for address in addresses:
        chosen.setdefault(6 if ":" in address else 4, address)
    for address in chosen.values():
        if address in used:
            hint = "stop it, or make an instance with another --address"
            raise PostolkaError(address, "another machine in the lab has this address", hint=hint)
    if chosen:
        return tuple(chosen[version] for version in sorted(chosen))
    for host in range(25, 250):
        pair = tuple(
            str(
                ip_interface(network).network.network_address
                + (host if index == 0 else int(str(host), 16))
            )
            for index, network in enumerate(networks)
        )
        if not used & set(pair):
            return pair
    raise PostolkaError("lab", "no free address", hint="postolka lab stop --all")
