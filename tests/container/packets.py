"""Packets made and seen by hand: what a connection's own socket wouldn't tell."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

from postolka import namespace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_ALL = 0x0003  # linux/if_ether.h: ETH_P_ALL
_IPV6_CHECKSUM = 7  # linux/in6.h
_SO_RCVBUFFORCE = 33  # asm-generic/socket.h
_CHECKSUM_AT = 16
_SYN, _ACK = 0x02, 0x10
_BUFFER_BYTES = 1 << 24
#: A burst that a receiver keeps up with.
_BURST = 500
_ECHO = {1: 8, 58: 128}


@dataclass(frozen=True, slots=True)
class Seen:
    """A packet that begins something."""

    to: str
    kind: str
    """tcp: a SYN; udp; ping: a request."""
    port: int = 0


def answered(
    where: int, source: str, target: str, ports: Iterable[tuple[int, int]]
) -> set[tuple[int, int]]:
    """Send a SYN for each (own port, port) of `target`; return those that get any TCP answer.

    No connection comes of it: the kernel resets what it didn't ask for. Waits two seconds at last.
    """
    family = socket.AF_INET6 if ":" in target else socket.AF_INET
    with namespace.entered(where):
        raw = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_TCP)
    tried: set[tuple[int, int]] = set()
    found: set[tuple[int, int]] = set()
    with raw:
        raw.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
        if family == socket.AF_INET6:
            raw.setsockopt(socket.IPPROTO_IPV6, _IPV6_CHECKSUM, _CHECKSUM_AT)
        raw.bind((source, 0))
        for number, (own, port) in enumerate(ports):
            tried.add((own, port))
            raw.sendto(_syn(source, target, own, port), (target, 0))
            if number % _BURST == 0:
                found |= _answers(raw, target, 0)
        found |= _answers(raw, target, 2)
    # Others talk to it, too.
    return found & tried


def _syn(source: str, target: str, own: int, port: int) -> bytes:
    segment = struct.pack("!HHIIBBHHH", own, port, 1, 0, 5 << 4, _SYN, 64240, 0, 0)
    if ":" in target:
        return segment
    pseudo = ip_address(source).packed + ip_address(target).packed + struct.pack("!HH", 6, 20)
    total = sum(struct.unpack("!16H", pseudo + segment))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return segment[:_CHECKSUM_AT] + struct.pack("!H", ~total & 0xFFFF) + segment[18:]


def _answers(raw: socket.socket, target: str, seconds: float) -> set[tuple[int, int]]:
    found: set[tuple[int, int]] = set()
    deadline = time.monotonic() + seconds
    while True:
        raw.settimeout(max(deadline - time.monotonic(), 0.0001))
        try:
            packet, (address, *_) = raw.recvfrom(256)
        except (TimeoutError, BlockingIOError):
            return found
        if address == target:
            start = 0 if ":" in target else (packet[0] & 15) * 4
            port, own = struct.unpack_from("!HH", packet, start)
            found.add((own, port))


class Sniffer:
    """Sees what passes a link of a namespace."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link

    def beginnings(self) -> set[Seen]:
        """Return what was begun since the last call."""
        found: set[Seen] = set()
        while True:
            try:
                packet = self._link.recv(2048)
            except BlockingIOError:
                return found
            seen = _read(packet)
            if seen:
                found.add(seen)


@contextlib.contextmanager
def sniffing(where: int, link: str) -> Iterator[Sniffer]:
    """Listen on the link `link` of the namespace `where`."""
    with namespace.entered(where):
        packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ALL))
    with packets:
        packets.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
        packets.bind((link, _ALL))
        packets.settimeout(0)
        yield Sniffer(packets)


def _read(packet: bytes) -> Seen | None:
    """Return what an IP packet begins, if it does."""
    version = packet[0] >> 4
    if version == 4 and len(packet) >= 24:
        protocol, to, start = packet[9], packet[16:20], (packet[0] & 15) * 4
    elif version == 6 and len(packet) >= 44:
        protocol, to, start = packet[6], packet[24:40], 40
    else:
        return None
    target, port = str(ip_address(to)), struct.unpack_from("!H", packet, start + 2)[0]
    if protocol == socket.IPPROTO_TCP:
        is_first = packet[start + 13] & (_SYN | _ACK) == _SYN
        return Seen(target, "tcp", port) if is_first else None
    if protocol == socket.IPPROTO_UDP:
        return Seen(target, "udp", port)
    return Seen(target, "ping") if _ECHO.get(protocol) == packet[start] else None
