"""TLS for the lab's own servers: a key made on the spot, certified by the lab's authority."""

from __future__ import annotations

import hashlib
import ssl
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from postolka.lab import acme, keys

if TYPE_CHECKING:
    from collections.abc import Sequence

_AUTHORITY = "acme-authority"


def authority() -> bytes:
    """Return the certificate (DER) of who vouches for the lab's servers."""
    return acme.authority_certificate(keys.kept(_AUTHORITY), datetime.now(UTC))


def server_context(names: Sequence[str]) -> tuple[ssl.SSLContext, str]:
    """Return a context for a server of these names, and the SHA-256 of its public key (hex)."""
    certificate, key = acme.certificate(keys.kept(_AUTHORITY), datetime.now(UTC), names)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "chain.pem")
        path.write_bytes(certificate + key)
        context.load_cert_chain(path)
    spki = (
        x509.load_pem_x509_certificate(certificate)
        .public_key()
        .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )
    return context, hashlib.sha256(spki).hexdigest()
