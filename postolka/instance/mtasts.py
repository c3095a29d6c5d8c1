"""The MTA-STS policy of every domain of an instance (RFC 8461): who takes its mail, and over TLS.

`testing` asks senders to report what they can't deliver so, and to deliver it all the same.
Pure: no I/O.
"""

from __future__ import annotations

import hashlib

#: The label of the host that has to serve the policy, before the domain's name (RFC 8461, 3.3).
HOST = "mta-sts"
_DAY_SECONDS = 86400
_ID_CHARACTERS = 16


def policy(hostname: str) -> str:
    """Return the policy's file, /.well-known/mta-sts.txt (RFC 8461, 3.2)."""
    lines = ("version: STSv1", "mode: testing", f"mx: {hostname}", f"max_age: {_DAY_SECONDS}")
    return "".join(f"{line}\r\n" for line in lines)


def record(hostname: str) -> str:
    """Return the TXT record that announces the policy; its id changes with it (RFC 8461, 3.1)."""
    digest = hashlib.sha256(policy(hostname).encode("ascii")).hexdigest()
    return f"v=STSv1; id={digest[:_ID_CHARACTERS]}"
