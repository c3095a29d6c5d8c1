"""Secrets that are made once on each machine and never leave it: not in the image, not in data."""

from __future__ import annotations

import base64
import os
from types import SimpleNamespace
from typing import TYPE_CHECKING

from postolka.instance import files
from postolka.instance.secret import Secret

if TYPE_CHECKING:
    from postolka.instance.paths import Paths

#: Name, as templates see it below `machine`, and random bytes, which they see in base64.
SECRETS = {
    "rndc_key": 32,  # named and rndc, hmac-sha256
    "roundcube_key": 32,  # Roundcube keeps passwords of sessions in its database under it
    "srs_secret": 24,  # postsrsd signs rewritten senders with it
}


def secrets(paths: Paths) -> SimpleNamespace:
    """Return the machine's secrets by name; make those that aren't there yet, for good."""
    if not paths.secrets.is_dir():
        paths.secrets.mkdir(mode=0o700)
        files.sync(paths.state)
    return SimpleNamespace(**{name: _secret(paths, name) for name in SECRETS})


def _secret(paths: Paths, name: str) -> Secret:
    path = paths.secrets / name
    if not path.exists():
        content = base64.b64encode(os.urandom(SECRETS[name])) + b"\n"
        uid, gid = os.getuid(), os.getgid()
        files.write(path, files.File(content=content, uid=uid, gid=gid), is_durable=True)
    return Secret(path.read_text(encoding="ascii").strip())
