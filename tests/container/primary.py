"""A name server that takes updates (RFC 2136) signed by a key (RFC 8945), for the lab's zones.

What it is told it publishes in the lab, whose own servers have it then, signed like all else there.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from typing import TYPE_CHECKING

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.tsig
import dns.update

from postolka import namespace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postolka.lab.client import Lab

_HANDLE = "primary"
_PORT = 53


class Primary:
    """Serves one connection after the other."""

    def __init__(self, lab: Lab, address: str, key: dns.tsig.Key) -> None:
        self._lab = lab
        self._key = key
        self._records: set[str] = set()
        self.taken: list[str] = []
        """Every record that was added."""
        with namespace.entered(lab.strangers):
            self._listener = socket.create_server((address, _PORT))

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        """Answer while the block runs."""
        thread = threading.Thread(target=self._serve, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            thread.join()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection, contextlib.suppress(EOFError):
                    self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        (size,) = struct.unpack("!H", _read(connection, 2))
        wire = _read(connection, size)
        try:
            request = dns.message.from_wire(wire, keyring=self._key)
        except dns.exception.DNSException:
            request = None
        if request is None or not request.had_tsig:
            response = dns.message.make_response(dns.message.from_wire(wire, keyring=False))
            response.set_rcode(dns.rcode.NOTAUTH)
        else:
            self._take(request)
            response = dns.message.make_response(request)
        answer = response.to_wire()
        connection.sendall(struct.pack("!H", len(answer)) + answer)

    def _take(self, request: dns.message.Message) -> None:
        assert isinstance(request, dns.update.UpdateMessage)
        for rrset in request.update:
            for rdata in rrset:
                record = f"{rrset.name} 60 IN TXT {rdata.to_text()}"
                if rrset.deleting:
                    self._records.discard(record)
                else:
                    self._records.add(record)
                    self.taken.append(record)
        self._lab.publish(_HANDLE, "".join(f"{record}\n" for record in sorted(self._records)))


def _read(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data
