"""What goes to the client's desk: a request for each order, signed by the server's key.

The client never has that key. Pure: no I/O.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from postolka.instance import keys
from postolka.instance.acme import plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from postolka.instance.acme.plan import Order
    from postolka.instance.model import Instance
    from postolka.instance.secret import Secret


def files(instance: Instance, orders: Iterable[Order]) -> dict[str, str]:
    """Return the files by name; what may be absent is."""
    acme = instance.acme
    made = {
        f"{order.name}.csr": request(key(instance, order.name), order.names) for order in orders
    }
    made |= {"directory": acme.directory, "contact": acme.contact}
    if acme.ca_pem:
        made["authorities.pem"] = acme.ca_pem
    if acme.dns:
        update = {
            "server": acme.dns.server,
            "key_name": acme.dns.key_name,
            "algorithm": acme.dns.algorithm,
            "secret": str(acme.dns.secret),
        }
        made["update.json"] = json.dumps(update)
    return made


def key(instance: Instance, order: str) -> Secret:
    """Return the key that an order is for."""
    return instance.tls.next_key if order == plan.NEXT else instance.tls.key


def request(private_key: str, names: Sequence[str]) -> str:
    """Return a request for a certificate for `names` (RFC 2986) in PEM form."""
    key = keys.decode(private_key)
    assert isinstance(key, ec.EllipticCurvePrivateKey)  # noqa: S101 - parse() let no other pass
    # Authorities that want a common name want one of the names.
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    made = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(subject)
        .add_extension(x509.SubjectAlternativeName(map(x509.DNSName, names)), critical=False)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode("ascii")
