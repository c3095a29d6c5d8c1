"""What a cloud would give a machine: user-data, and a key for its login user (NoCloud).

https://docs.cloud-init.io/en/latest/reference/datasources/nocloud.html
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

if TYPE_CHECKING:
    from pathlib import Path

#: What a machine without user-data gets: valid, and nothing to do.
_NOTHING = b"#cloud-config\n{}\n"


@dataclass(frozen=True, slots=True)
class Seed:
    """A directory with `user-data` and `meta-data`, and the private key that logs in."""

    directory: Path
    key: Path


def write(directory: Path, name: str, user_data: bytes | None) -> Seed:
    """Write the seed of the machine `name` below `directory`: its key too, unless it has one."""
    key = directory / "ssh-key"
    if not key.exists():
        _make_key(key)
    public = key.with_suffix(".pub").read_text(encoding="ascii").strip()
    seed = directory / "seed"
    seed.mkdir(mode=0o700, exist_ok=True)
    # The form that the datasources of the big clouds have, too.
    meta = f"instance-id: {name}\npublic-keys:\n  - {public}\n"
    _write(seed / "meta-data", meta.encode("ascii"))
    _write(seed / "user-data", _NOTHING if user_data is None else user_data)
    return Seed(seed, key)


def _make_key(path: Path) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    _write(path.with_suffix(".pub"), public + b" postolka\n")
    _write(path, private)


def _write(path: Path, content: bytes) -> None:
    """Write a file that its owner alone may read, over an older one too."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
