"""A web server with a directory of files: what filters fetch their rules and signatures from.

Run as a program: `python -m postolka.lab.mirror DIRECTORY ADDRESS...`. A file that hasn't changed
since the client's copy isn't sent again (If-Modified-Since).
"""

from __future__ import annotations

import functools
import socket
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

PORT = 80
#: Below the lab's directory.
DIRECTORY = "mirror"


class _Server(ThreadingHTTPServer):
    """Listens on one address of either family."""

    def __init__(self, address: str, directory: str) -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        handler = functools.partial(SimpleHTTPRequestHandler, directory=directory)
        super().__init__((address, PORT), handler)

    def server_bind(self) -> None:
        """Bind without asking the DNS for our own name, as http.server does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)


def _main(directory: str, addresses: list[str]) -> None:
    servers = [_Server(address, directory) for address in addresses]
    threads = [threading.Thread(target=server.serve_forever) for server in servers]
    for thread in threads:
        thread.start()


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2:])
