"""Forward ports of 127.0.0.1 on the host to a machine in a network namespace.

The connection to the machine starts inside a namespace beside it, so it arrives there as a
neighbour's does, through its firewall, and never as one from its own loopback.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import TYPE_CHECKING

from postolka import namespace

if TYPE_CHECKING:
    from collections.abc import Iterable

_HOST = "127.0.0.1"
_BUFFER_BYTES = 1 << 16
_CONNECT_SECONDS = 30
_BACKLOG = 512
#: socket(7), SO_LINGER: on, 0 seconds.
_RESET = struct.pack("ii", 1, 0)


class Forwarder:
    """Forwards to `address`, from a namespace of which it holds the descriptor."""

    def __init__(self, neighbour: int, address: str) -> None:
        self._neighbour = neighbour
        self._address = address
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, ports: Iterable[int]) -> dict[int, int]:
        """Listen for each of the machine's `ports`; return where on the host each one is."""
        found = {}
        for port in ports:
            listener = socket.create_server((_HOST, 0), backlog=_BACKLOG)
            found[port] = int(listener.getsockname()[1])
            server = await asyncio.start_server(
                lambda reader, writer, port=port: self._serve(port, reader, writer),  # type: ignore[misc]
                sock=listener,
                backlog=_BACKLOG,
            )
            self._servers.append(server)
        return found

    def close(self) -> None:
        """Stop listening and drop every connection."""
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()

    async def _serve(
        self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task  # noqa: S101 - asyncio runs it as one
        self._tasks.add(task)
        try:
            await self._join(port, reader, writer)
        except (TimeoutError, OSError):
            # A port that is shut there is a connection that breaks here.
            made = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        except asyncio.CancelledError:
            pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _join(
        self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        made = namespace.new_socket(self._neighbour, self._address)
        made.setblocking(False)  # noqa: FBT003 - socket's own
        try:
            loop = asyncio.get_running_loop()
            there = (self._address, port)
            await asyncio.wait_for(loop.sock_connect(made, there), _CONNECT_SECONDS)
            inner_reader, inner_writer = await asyncio.open_connection(sock=made)
        except BaseException:
            made.close()
            raise
        try:
            await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))
        finally:
            inner_writer.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the end of one direction, and pass that end on."""
    while data := await reader.read(_BUFFER_BYTES):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
    await writer.drain()
