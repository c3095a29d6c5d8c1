"""How processes talk to a lab: one Unix socket, JSON messages, descriptors beside them.

Whoever holds a connection keeps the lab up; a machine's place in it ends with its connection. So
neither outlives a crash.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

NAME = "control"
#: A zone of a server with many domains fits.
_MAX_BYTES = 1 << 20
_MAX_DESCRIPTORS = 8


def new_socket() -> socket.socket:
    """Return a socket that keeps messages apart."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _MAX_BYTES)
    return made


@contextlib.contextmanager
def address(directory: Path, name: str = NAME) -> Iterator[str]:
    """Yield the socket's path in a short form: the kernel takes no more than 107 bytes."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)


def send(connection: socket.socket, message: dict[str, Any], descriptors: Sequence[int]) -> None:
    """Send one message."""
    data = json.dumps(message).encode("utf-8")
    if descriptors:
        socket.send_fds(connection, [data], descriptors)
    else:
        connection.sendall(data)


def receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Return one message and the descriptors that came with it; raises EOFError at the end."""
    data, descriptors, _, _ = socket.recv_fds(connection, _MAX_BYTES, _MAX_DESCRIPTORS)
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - os's own
    if not data:
        raise EOFError
    return json.loads(data), list(descriptors)
