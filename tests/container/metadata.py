"""A small EC2 metadata server, as much of it as cloud-init asks for.

`python -m tests.container.metadata USER_DATA PUBLIC_KEY` serves it at its address in the network
namespace that it runs in. IMDSv2's token is handed out, and wanted by nobody.
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-categories.html
"""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ADDRESS = "169.254.169.254"
#: Not 80: where the address is the machine's own, its web server has that.
PORT = 8169
_MAC = "network/interfaces/macs/02:00:00:00:00:01"


def tree(user_data: bytes, public_key: bytes) -> dict[str, bytes]:
    """Return what the server holds, by path below the version."""
    return {
        "user-data": user_data,
        "dynamic/instance-identity/document": b"{}",
        "meta-data/ami-id": b"ami-0123456789abcdef0",
        "meta-data/instance-id": b"i-0123456789abcdef0",
        "meta-data/instance-type": b"t3.small",
        "meta-data/local-hostname": b"ip-192-0-2-1.ec2.internal",
        "meta-data/placement/availability-zone": b"eu-central-1a",
        "meta-data/public-keys/0/openssh-key": public_key,
        f"meta-data/{_MAC}/device-number": b"0",
        f"meta-data/{_MAC}/local-ipv4s": b"192.0.2.1",
    }


def answer(held: dict[str, bytes], path: str) -> bytes | None:
    """Return what stands at `path`, or the names below it, as EC2 lists them."""
    if path in held:
        return held[path]
    prefix = f"{path.rstrip('/')}/"
    below = [name.removeprefix(prefix) for name in held if name.startswith(prefix)]
    if path.rstrip("/") == "meta-data/public-keys":
        return b"0=key"
    names = {name.partition("/")[0] + ("/" if "/" in name else "") for name in below}
    return "\n".join(sorted(names)).encode() or None


def _serve(user_data: Path, public_key: Path) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self._send(b"token")

        def do_GET(self) -> None:
            # Afresh: both can be changed while the machine is up.
            held = tree(user_data.read_bytes(), public_key.read_bytes())
            self._send(answer(held, self.path.lstrip("/").partition("/")[2]))

        def _send(self, content: bytes | None) -> None:
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

    ThreadingHTTPServer((ADDRESS, PORT), Handler).serve_forever()


if __name__ == "__main__":
    _serve(*map(Path, sys.argv[1:]))
