"""The certificate that the server's own key signs until an authority's is there.

A pure function of key and names: the same bytes at each boot, so that a client that was told to
trust it goes on doing so, and there is nothing to keep. Pure: no I/O, no clock.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from postolka.instance import keys

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Before any clock that a machine may boot with, and the value that means "no end" (RFC 5280,
#: 4.1.2.5): what ends this certificate's use is the authority's, or another key.
_BEGIN = datetime(2000, 1, 1, tzinfo=UTC)
_END = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
_SERIAL_BYTES = 16

#: DER of the AlgorithmIdentifier ecdsa-with-SHA256 (RFC 5758, 3.2).
_ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")


def self_signed(private_key: str, names: Sequence[str]) -> str:
    """Return a certificate for `names` (at least one) in PEM form.

    `private_key` is an ECDSA key as instance data have it.
    """
    key = keys.decode(private_key)
    assert isinstance(key, ec.EllipticCurvePrivateKey)  # noqa: S101 - parse() let no other pass
    digest = hashlib.sha256(keys.spki(private_key) + " ".join(names).encode("ascii")).digest()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    public = key.public_key()
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    draft = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        # Positive and not zero (RFC 5280, 4.1.2.2).
        .serial_number(int.from_bytes(digest[:_SERIAL_BYTES], "big") | 1)
        .not_valid_before(_BEGIN)
        .not_valid_after(_END)
        .add_extension(x509.SubjectAlternativeName(map(x509.DNSName, names)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _signed_again(draft, key).public_bytes(serialization.Encoding.PEM).decode("ascii")


def _signed_again(draft: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """Replace the signature, made with a random number, by a deterministic one (RFC 6979).

    cryptography can sign so, but Debian 13's can't be asked to while building a certificate.
    """
    body = draft.tbs_certificate_bytes
    signature = key.sign(body, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    content = body + _ECDSA_SHA256 + _der(0x03, b"\0" + signature)
    return x509.load_der_x509_certificate(_der(0x30, content))


def _der(tag: int, content: bytes) -> bytes:
    """Return a DER element; lengths in the long form are 2 bytes, enough for a certificate."""
    size = len(content)
    if size < 0x80:  # noqa: PLR2004 - X.690, 8.1.3.4
        return bytes([tag, size]) + content
    if size < 0x100:  # noqa: PLR2004
        return bytes([tag, 0x81, size]) + content
    return bytes([tag, 0x82]) + size.to_bytes(2, "big") + content
