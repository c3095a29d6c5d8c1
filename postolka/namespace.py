"""Network namespaces that exist as long as somebody holds them, and doors into them.

A namespace has no name here and no mount: it is an open descriptor, and what is in it (links,
routes, bridges) goes with the last process that holds it. So nothing is left after a crash, and two
of them can't collide. Root's rights are needed.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from postolka.run import run

if TYPE_CHECKING:
    from collections.abc import Iterator

DATAGRAM = socket.SOCK_DGRAM
_OWN = "/proc/thread-self/ns/net"
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)

# linux/if_tun.h
_TUNSETIFF = 0x400454CA
_IFF_TAP, _IFF_NO_PI, _IFF_VNET_HDR = 0x0002, 0x1000, 0x4000


def make() -> int:
    """Return a descriptor of a new namespace with nothing but a loopback link, which is up."""
    own = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.unshare(_CLONE_NEWNET))
        try:
            made = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        finally:
            _enter(own)
    finally:
        os.close(own)
    ip(made, "link set lo up")
    return made


def path(namespace: int) -> str:
    """Return a path by which other processes reach a namespace that this one holds."""
    return f"/proc/{os.getpid()}/fd/{namespace}"


def argv(namespace: int) -> list[str]:
    """Return the words before a command that make it run in the namespace."""
    return ["nsenter", f"--net={path(namespace)}", "--"]


def ip(namespace: int, *commands: str) -> None:
    """Change the namespace's links, addresses and routes, in one batch. Raises CommandError."""
    batch = "".join(f"{command}\n" for command in commands)
    run([*argv(namespace), "ip", "-batch", "-"], stdin=batch.encode("ascii"))


def sysctl(namespace: int, name: str, value: str) -> None:
    """Set a variable of the namespace, for example `net/ipv4/ip_forward`."""
    with entered(namespace):
        Path("/proc/sys", name).write_text(value, encoding="ascii")


@contextlib.contextmanager
def entered(namespace: int) -> Iterator[None]:
    """Run the block in the namespace; for this thread alone, and it must not wait for others.

    A socket belongs for ever to the namespace in which it was made.
    """
    own = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _enter(namespace)
        try:
            yield
        finally:
            _enter(own)
    finally:
        os.close(own)


def new_socket(
    namespace: int, address: str, kind: socket.SocketKind = socket.SOCK_STREAM
) -> socket.socket:
    """Return a socket of the namespace, of the family of `address`."""
    family = socket.AF_INET6 if ip_address(address).version == 6 else socket.AF_INET  # noqa: PLR2004
    with entered(namespace):
        return socket.socket(family, kind)


def connect(
    namespace: int,
    address: str,
    port: int,
    *,
    source: str | None = None,
    timeout_seconds: float = 60,
) -> socket.socket:
    """Return a TCP connection made from inside the namespace; raises OSError as socket(7) does."""
    made = new_socket(namespace, address)
    try:
        made.settimeout(timeout_seconds)
        if source:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((source, 0))
        made.connect((address, port))
    except BaseException:
        made.close()
        raise
    return made


def tap(namespace: int, name: str) -> int:
    """Return a descriptor of a new tap link in the namespace, as QEMU's `-netdev tap,fd=` wants it.

    The link goes when the descriptor is closed.
    """
    with entered(namespace):
        device = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
        try:
            flags = _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR
            fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", name.encode("ascii"), flags))
        except BaseException:
            os.close(device)
            raise
    return device


def _enter(namespace: int) -> None:
    _check(_libc.setns(namespace, _CLONE_NEWNET))


def _check(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
