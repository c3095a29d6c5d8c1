"""The MTA-STS policy of every domain of an instance (RFC 8461): who takes its mail, and over TLS.

`testing` asks senders to report what they can't deliver so, and to deliver it all the same.
`enforce` has them deliver nothing to a server whose certificate they can't verify, so it waits for
one that they can. Pure: no I/O.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from postolka.instance.model import Instance

#: The label of the host that has to serve the policy, before the domain's name (RFC 8461, 3.3).
HOST = "mta-sts"
_DAY_SECONDS = 86400
#: For how long senders hold to it, also against who hides it from them meanwhile.
_ENFORCED_SECONDS = 14 * _DAY_SECONDS
_ID_CHARACTERS = 16


def policy(hostname: str, *, is_enforced: bool) -> str:
    """Return the policy's file, /.well-known/mta-sts.txt (RFC 8461, 3.2)."""
    mode = "enforce" if is_enforced else "testing"
    seconds = _ENFORCED_SECONDS if is_enforced else _DAY_SECONDS
    lines = ("version: STSv1", f"mode: {mode}", f"mx: {hostname}", f"max_age: {seconds}")
    return "".join(f"{line}\r\n" for line in lines)


def may_be_enforced(instance: Instance) -> bool:
    """Say whether the server is to have a certificate that others can verify."""
    return instance.acme.enabled or bool(instance.tls.certificate)


def until(instance: Instance) -> str:
    """Return for how long that is only tested, as a sentence."""
    if may_be_enforced(instance):
        return "It is only tested until the server has a certificate that others can verify."
    return "So far that is only tested: nobody vouches for the server's certificate."


def record(instance: Instance) -> str:
    """Return the TXT record that announces the policy (RFC 8461, 3.1).

    Its id is that of what the data lead to. A sender that has come before the certificate knows
    `testing` under the same id, for a day.
    """
    text = policy(instance.hostname, is_enforced=may_be_enforced(instance))
    digest = hashlib.sha256(text.encode("ascii")).hexdigest()
    return f"v=STSv1; id={digest[:_ID_CHARACTERS]}"
