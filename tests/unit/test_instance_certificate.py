"""The self-signed certificate: always the same, and what DANE and a client expect."""

from __future__ import annotations

import hashlib

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from postolka.instance import certificate, keys

_KEY = keys.encode(ec.generate_private_key(ec.SECP256R1()))


def _loaded(*names: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(certificate.self_signed(_KEY, names).encode())


def test_same_key_and_names_give_the_same_bytes() -> None:
    """A client that was told to trust it goes on doing so after a reboot."""
    made = {certificate.self_signed(_KEY, ["mail.example.test"]) for _ in range(3)}
    assert len(made) == 1


def test_signature_is_the_keys_own() -> None:
    """The replaced signature verifies."""
    found = _loaded("mail.example.test")
    found.verify_directly_issued_by(found)


def test_public_key_is_the_published_one() -> None:
    """Its digest is that of the TLSA record."""
    spki = (
        _loaded("mail.example.test")
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    assert hashlib.sha256(spki).hexdigest() == keys.spki_sha256(_KEY)


def test_every_name_is_in_it() -> None:
    """The first name is the subject's too; many names, so that lengths take three bytes."""
    names = [f"{number}.{'x' * 40}.example.test" for number in range(20)]
    found = _loaded(*names)
    extension = found.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert extension.value.get_values_for_type(x509.DNSName) == names
    assert found.subject.rfc4514_string() == f"CN={names[0]}"
