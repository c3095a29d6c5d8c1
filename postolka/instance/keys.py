"""Private keys of instance data: base64 of a PKCS#8 DER document, on one line.

Pure: no I/O.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import textwrap

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

PrivateKey = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey

#: Below 2048 verifiers may ignore a signature (RFC 8301, 3.2); above 4096 few can check it.
_RSA_BITS = range(2048, 4097)


def encode(key: PrivateKey) -> str:
    """Return `key` as it stands in instance data."""
    document = key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return base64.b64encode(document).decode("ascii")


def from_base64(text: str) -> bytes:
    """Return the bytes that `text` stands for; raises ValueError unless an encoder writes it so.

    Python forgives more padding than there is, and bits in it; OpenSSH, for one, doesn't.
    """
    try:
        found = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        found = b""
    if not text or base64.b64encode(found).decode("ascii") != text:
        raise ValueError("is not base64 on one line")
    return found


# Finding out that an RSA key is sound takes milliseconds, and one set of data is asked for its keys
# many times.
@functools.lru_cache(maxsize=64)
def decode(text: str) -> PrivateKey:
    """Return the key that `text` holds.

    Raises ValueError, which never quotes the text, for anything else.
    """
    document = from_base64(text)
    try:
        key = serialization.load_der_private_key(document, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("is not an unencrypted private key (PKCS#8 DER in base64)") from None
    if not isinstance(key, PrivateKey):
        raise ValueError("is a private key of a kind that is not used here")  # noqa: TRY004
    return key


def problem(text: str, algorithm: str) -> str | None:
    """Say why `text` isn't a key for `algorithm` (rsa, ed25519 or ecdsa-p256); None: it is one."""
    try:
        key = decode(text)
    except ValueError as error:
        return str(error)
    if algorithm == "rsa":
        if not isinstance(key, rsa.RSAPrivateKey):
            return "is not an RSA key"
        if key.key_size not in _RSA_BITS:
            return f"must have 2048 to 4096 bits, not {key.key_size}"
    elif algorithm == "ed25519":
        if not isinstance(key, ed25519.Ed25519PrivateKey):
            return "is not an Ed25519 key"
    elif not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        return "is not an ECDSA key on the curve P-256"
    return None


def pem(text: str, label: str = "PRIVATE KEY") -> str:
    """Return the key in `text`, or with another label what that names, as a PEM document."""
    body = "\n".join(textwrap.wrap(text, 64))
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n"


def spki(text: str) -> bytes:
    """Return the public half as a SubjectPublicKeyInfo DER document (RFC 5280, 4.1.2.7)."""
    return (
        decode(text)
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def ssh_public(text: str) -> str:
    """Return the public half as authorized_keys has it, sshd(8)."""
    public = decode(text).public_key()
    return public.public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    ).decode("ascii")


def spki_sha256(text: str) -> str:
    """Return the hex digest that a TLSA record `3 1 1` holds (RFC 6698, 2.1)."""
    return hashlib.sha256(spki(text)).hexdigest()


def dkim_record(text: str) -> str:
    """Return the unsplit TXT record of a DKIM key (RFC 6376, 3.6.1; Ed25519: RFC 8463, 4)."""
    public = decode(text).public_key()
    if isinstance(public, ed25519.Ed25519PublicKey):
        kind, value = "ed25519", public.public_bytes_raw()
    else:
        kind, value = "rsa", spki(text)
    return f"v=DKIM1; k={kind}; p={base64.b64encode(value).decode('ascii')}"
