"""A certificate and those that lead from it to an authority: whose it is, its names, its time.

Pure: no I/O, no clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from postolka.instance import keys

if TYPE_CHECKING:
    from collections.abc import Sequence

#: When an authority's certificate is renewed, as a share of its time: what is left is for outages.
_RENEWED_AT = 2 / 3
#: From here on what vouches for the host alone is better than what may never come for all names.
_LAST_CALL = 5 / 6


def load(pem: bytes) -> tuple[x509.Certificate, ...]:
    """Return the certificates of a PEM document, the server's first; none where it isn't one."""
    try:
        return tuple(x509.load_pem_x509_certificates(pem))
    except ValueError:
        return ()


def pem(found: Sequence[x509.Certificate]) -> bytes:
    """Return a chain as a PEM document with nothing else in it."""
    return b"".join(item.public_bytes(serialization.Encoding.PEM) for item in found)


def names(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the names that it is for."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return tuple(found.value.get_values_for_type(x509.DNSName))


def covers(certificate: x509.Certificate, name: str) -> bool:
    """Say whether it is for `name`; a wildcard stands for one label (RFC 9525, 6.3)."""
    return not {name, f"*.{name.partition('.')[2]}"}.isdisjoint(names(certificate))


def is_self_signed(certificate: x509.Certificate) -> bool:
    """Say whether nobody else vouches for it."""
    return certificate.issuer == certificate.subject and bool(certificate.subject)


def begin(certificate: x509.Certificate) -> float:
    """Return from when on it holds."""
    return certificate.not_valid_before_utc.timestamp()


def end(certificate: x509.Certificate) -> float:
    """Return until when it holds."""
    return certificate.not_valid_after_utc.timestamp()


def renewal(certificate: x509.Certificate) -> float:
    """Return when the next one is ordered."""
    return _moment(certificate, _RENEWED_AT)


def last_call(certificate: x509.Certificate) -> float:
    """Return when it is no longer waited for one that has all names."""
    return _moment(certificate, _LAST_CALL)


def ended(found: Sequence[x509.Certificate], now: float) -> str | None:
    """Say which certificate of a chain has ended, or None."""
    for item in found:
        if now >= end(item):
            return f"{', '.join(names(item)) or _named(item.subject)} has ended"
    return None


def problem(found: Sequence[x509.Certificate], private_key: str, hostname: str) -> str | None:
    """Say why a chain can't be served with a key (as instance data have it) by a host, or None."""
    if not found:
        return "has no certificate"
    first, *others = found
    if _spki(first) != keys.spki(private_key):
        return "is for another key than the server's"
    if not covers(first, hostname):
        return f"isn't for {hostname}, but {', '.join(names(first)) or 'nobody'}"
    for below, above in zip(found, others, strict=False):
        if below.issuer != above.subject:
            return f"is out of order: {_named(below.issuer)} didn't come after what it signed"
    return None


def issuer(certificate: x509.Certificate) -> str:
    """Return who vouches for it, as people know it."""
    return _named(certificate.issuer)


def _named(name: x509.Name) -> str:
    parts = name.get_attributes_for_oid(x509.NameOID.COMMON_NAME) or list(name)
    return str(parts[0].value) if parts else "nobody"


def _moment(certificate: x509.Certificate, share: float) -> float:
    start = begin(certificate)
    return start + (end(certificate) - start) * share


def _spki(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
