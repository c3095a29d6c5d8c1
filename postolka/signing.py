"""Detached Ed25519 signatures of an image's SHA256SUMS, and the keys for them.

Keys are PEM files and a signature is its 64 bytes, so OpenSSL alone can check one:
`openssl pkeyutl -verify -pubin -inkey KEY.pub -rawin -in SHA256SUMS -sigfile SHA256SUMS.sig`.
The sums hold the manifest's, which holds the layers' records: the signature covers them all.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from postolka import files
from postolka.errors import PostolkaError

if TYPE_CHECKING:
    from pathlib import Path

#: Beside SHA256SUMS, where the image isn't in a store.
SIGNATURE = "SHA256SUMS.sig"
_NEW = "postolka key new FILE"


def new(path: Path) -> Path:
    """Make a key in `path`, for its owner alone, and the public one, whose path is returned.

    Raises PostolkaError where either is there already.
    """
    public = path.with_name(f"{path.name}.pub")
    for file in (path, public):
        if file.exists():
            raise PostolkaError(str(file), "is there already", hint="choose another name")
    if not path.parent.is_dir():
        raise PostolkaError(str(path.parent), "no such directory")
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    files.write_new(path, private, mode=0o600, is_durable=True)
    shown = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    files.write_new(public, shown, mode=0o644, is_durable=True)
    return public


def sign(content: bytes, key: Path) -> tuple[bytes, str]:
    """Return the signature of `content` by the private key in a file, and the key's fingerprint."""
    try:
        loaded = serialization.load_pem_private_key(_read(key), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise PostolkaError(str(key), "no private key without a passphrase", hint=_NEW) from error
    if not isinstance(loaded, Ed25519PrivateKey):
        raise PostolkaError(str(key), "not an Ed25519 key", hint=_NEW)
    return loaded.sign(content), _fingerprint(loaded.public_key())


def fingerprint(public: Path) -> str:
    """Return what tells the public key in a file from others, 32 hex digits."""
    return _fingerprint(_public(public))


def is_signed(content: bytes, signature: bytes, public: Path) -> bool:
    """Whether `signature` is of `content`, by the key whose public part is in a file."""
    try:
        _public(public).verify(signature, content)
    except InvalidSignature:
        return False
    return True


def _public(path: Path) -> Ed25519PublicKey:
    try:
        loaded = serialization.load_pem_public_key(_read(path))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise PostolkaError(str(path), "not a public key", hint="give the file FILE.pub") from error
    if not isinstance(loaded, Ed25519PublicKey):
        raise PostolkaError(str(path), "not an Ed25519 key", hint=_NEW)
    return loaded


def _fingerprint(key: Ed25519PublicKey) -> str:
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:32]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise PostolkaError(str(path), "no such file", hint=_NEW) from error
