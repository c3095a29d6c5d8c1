"""Pebble, a certificate authority that speaks ACME (RFC 8555), as the lab runs it. Pure: no I/O.

https://github.com/letsencrypt/pebble
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from postolka.lab import keys, world

if TYPE_CHECKING:
    from collections.abc import Sequence

PORT = 443
MANAGEMENT_PORT = 15000
DIRECTORY_URL = f"https://{world.ACME.name}/dir"
_YEARS = timedelta(days=3650)
_LEAF_SECONDS = 90 * 86400
_CERTIFIES = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def certificate(
    authority: ec.EllipticCurvePrivateKey, now: datetime, names: Sequence[str] = (world.ACME.name,)
) -> tuple[bytes, bytes]:
    """Return a server's certificate and key, both PEM, vouched for by `authority`."""
    key = ec.generate_private_key(ec.SECP256R1())
    made = (
        _builder(names[0], key, now)
        .issuer_name(_name("Postolka lab"))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False
        )
        # Python 3.13 trusts no certificate without, and no authority without those below (RFC 5280,
        # 4.2.1).
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()),
            critical=False,
        )
        .sign(authority, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM), keys.pem(key)


def authority_certificate(authority: ec.EllipticCurvePrivateKey, now: datetime) -> bytes:
    """Return the certificate (DER) that vouches for the directory's server."""
    made = (
        _builder("Postolka lab", authority, now)
        .issuer_name(_name("Postolka lab"))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_CERTIFIES, critical=True)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(authority.public_key()), critical=False
        )
        .sign(authority, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.DER)


def configuration(directory: str) -> str:
    """Return pebble's configuration; certificate and key lie in `directory`."""
    settings = {
        "listenAddress": f"{world.ACME.ipv4}:{PORT}",
        "managementListenAddress": f"{world.ACME.ipv4}:{MANAGEMENT_PORT}",
        "certificate": f"{directory}/certificate.pem",
        "privateKey": f"{directory}/key.pem",
        "httpPort": 80,
        "tlsPort": 443,
        "ocspResponderURL": "",
        "externalAccountBindingRequired": False,
        # As most authorities have it; its own default is five years.
        "certificateValidityPeriod": _LEAF_SECONDS,
    }
    return json.dumps({"pebble": settings}, indent=2)


def _builder(name: str, key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + _YEARS)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
