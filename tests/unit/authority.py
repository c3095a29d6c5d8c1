"""A certification authority for tests: a root, and what it signs; and a server that asks it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from postolka.instance import keys
from postolka.lab import acme
from postolka.live import Answer
from tests.unit import instances

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

#: Long before and after any test's clock.
_ALWAYS = datetime(2020, 1, 1, tzinfo=UTC)
#: The names of the instance that `tests.unit.instances` makes.
HOST = "mail.example.test"
OTHERS = ("mta-sts.example.test", "autoconfig.example.test")


@dataclass(frozen=True)
class Authority:
    """Signs whatever it is asked to."""

    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    @property
    def root(self) -> x509.Certificate:
        """Its own certificate."""
        return x509.load_der_x509_certificate(acme.authority_certificate(self.key, _ALWAYS))

    def certificate(
        self, private_key: str, names: Sequence[str], begin: datetime, days: float
    ) -> x509.Certificate:
        """Return a certificate for a key as instance data have it."""
        key = keys.decode(private_key)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self.root.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(begin + timedelta(days=days))
            .add_extension(alternatives, critical=True)
            .add_extension(identifier, critical=False)
            .sign(self.key, hashes.SHA256())
        )


def enabled(**fields: object) -> dict[str, Any]:
    """Return data, some fields replaced, of an instance that orders from an authority."""
    values = instances.data(**fields)
    values["acme"]["enabled"] = True
    return values


def resolver(**zones: object) -> Callable[[str, str], Answer]:
    """Return a resolver that knows where the server's names lead, but for what `zones` say."""
    here = {"A": ("192.0.2.25",), "AAAA": ("2001:db8::25",)}
    names = {f"{name}.": dict(here) for name in (HOST, *OTHERS)}
    names["example.test."] = {}
    known: Mapping[str, Any] = {**names, **zones}

    def ask(name: str, kind: str) -> Answer:
        found = known.get(name, {}).get(kind, ())
        return found if isinstance(found, Answer) else Answer(values=tuple(found))

    return ask
