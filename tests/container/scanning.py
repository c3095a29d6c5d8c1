"""A port's TLS as sslyze sees it, also where it can't say what goes before TLS there."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Made by packer/setup.sh.
_SSLYZE = Path(sys.prefix) / "sslyze/bin/sslyze"
#: What the scanner holds against a server, by the profile's names.
_COMPLAINT = re.compile(r"^ +\* (\w+): (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """Where a server is reached that offers TLS."""

    name: str
    """Of the server, as its certificate has it."""
    address: str
    number: int
    starttls: str = ""
    """The protocol before TLS by sslyze's name; empty: TLS comes with the first byte."""


def versions(port: Port) -> list[str]:
    """Return the versions of SSL and TLS that are spoken there, by sslyze's names."""
    names = ("sslv2", "sslv3", "tlsv1", "tlsv1_1", "tlsv1_2", "tlsv1_3")
    options = ["--mozilla_config=disable", "--json_out=-", *(f"--{name}" for name in names)]
    server: dict[str, Any] = json.loads(_sslyze(port, *options).stdout)["server_scan_results"][0]
    assert server["scan_status"] == "COMPLETED", server
    found = {
        name.removesuffix("_cipher_suites"): attempt["result"]["is_tls_version_supported"]
        for name, attempt in server["scan_result"].items()
        if name.endswith("_cipher_suites") and attempt["result"]
    }
    assert len(found) == len(names)
    return sorted(name for name, is_spoken in found.items() if is_spoken)


def complaints(port: Port) -> dict[str, str]:
    """Return what there is against Mozilla's profile "intermediate"; none where it is kept."""
    done = _sslyze(port, "--mozilla_config=intermediate")
    said = done.stdout[done.stdout.index("COMPLIANCE AGAINST TLS CONFIGURATION") :]
    found = dict(_COMPLAINT.findall(said))
    assert ("FAILED - Not compliant" if found else "OK - Compliant") in said, done.stdout
    return found


def _sslyze(port: Port, *options: str) -> subprocess.CompletedProcess[str]:
    words = [f"--sni={port.name}", *([f"--starttls={port.starttls}"] if port.starttls else [])]
    target = f"{port.name}:{port.number}{{{port.address}}}"
    return subprocess.run(
        [_SSLYZE, *options, *words, target],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@contextlib.contextmanager
def behind_managesieve(address: str, number: int) -> Iterator[int]:
    """Yield a local port that is the TLS of a ManageSieve server, as if it came first."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = server.accept()
                    there = socket.create_connection((address, number))
                    threading.Thread(target=_lead, args=(client, there), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        # Closing doesn't end a waiting accept().
        server.shutdown(socket.SHUT_RDWR)


def _lead(client: socket.socket, there: socket.socket) -> None:
    """Say STARTTLS (RFC 5804, 2.2), then carry bytes both ways."""
    with client, there:
        for word in (b"", b"STARTTLS\r\n"):
            there.sendall(word)
            said = b""
            while not said.startswith(b"OK") and b"\nOK" not in said:
                more = there.recv(4096)
                assert more, said
                said += more
        back = threading.Thread(target=_carry, args=(there, client), daemon=True)
        back.start()
        _carry(client, there)
        back.join()


def _carry(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
