# Made from cloud-init/postolka_part.py
# Change it there: this file is part of the image.
"""cloud-init's handler for the part of user-data that holds instance data.

It only stores the part where the agent looks for it, one file a different content: cloud-init calls
it twice on a first boot, and a part may come by vendor-data too. The agent judges.
https://docs.cloud-init.io/en/25.1/explanation/format.html#part-handler
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

#: At every boot, not once an instance: that is how changed data arrive.
frequency = "always"

_INCOMING = Path("/run/postolka/incoming")


def list_types() -> list[str]:
    """Return the content types that this handler takes."""
    return ["text/x-postolka-instance"]


def handle_part(_data: object, content_type: str, _name: str, payload: str | bytes) -> None:
    """Store the part; cloud-init also calls with `__begin__` and `__end__`, which hold nothing."""
    if content_type not in list_types():
        return
    content = payload.encode() if isinstance(payload, str) else payload
    _INCOMING.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = _INCOMING / f"{hashlib.sha256(content).hexdigest()}.yaml"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
