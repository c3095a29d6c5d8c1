"""Whether the chain that is served leads to one of Debian's authorities, or of the instance's."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.x509 import verification

from postolka.instance import chain
from postolka.instance.acme import served

if TYPE_CHECKING:
    from collections.abc import Sequence

    from postolka.instance.model import Instance
    from postolka.instance.paths import Paths


def is_trusted(paths: Paths, instance: Instance, now: float) -> bool:
    """Verify the chain for the host's name at a time, as a mail server does that asks for one."""
    found = chain.load(instance.tls.chain_pem.encode("ascii"))
    found = found or served.certificates(paths, instance)
    if not found:
        return False
    debian = paths.authorities.read_bytes() if paths.authorities.exists() else b""
    roots = chain.load(debian + "".join(instance.authorities_pem).encode("ascii"))
    return verifies(found, roots, instance.hostname, now)


def verifies(
    found: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], name: str, now: float
) -> bool:
    """Say whether a chain leads to one of `roots`, and is for a name."""
    if not roots:
        return False
    verifier = (
        verification.PolicyBuilder()
        .store(verification.Store(list(roots)))
        .time(datetime.fromtimestamp(now, UTC))
        .build_server_verifier(x509.DNSName(name))
    )
    try:
        verifier.verify(found[0], list(found[1:]))
    except verification.VerificationError:
        return False
    return True
