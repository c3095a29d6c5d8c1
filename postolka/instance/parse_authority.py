"""From plain data to what an instance says of certificates: `acme`, and a chain of its own.

Part of `postolka.instance.parse`. Pure: no I/O, no clock.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from cryptography import x509

from postolka.instance import chain, grammar
from postolka.instance.authority import Acme, DnsUpdate
from postolka.instance.reading import record, secret, text

if TYPE_CHECKING:
    from postolka.instance.model import Instance
    from postolka.instance.node import Node


def acme(node: Node) -> Acme | None:
    """Read which authority is asked, and how names are proved to it."""
    return record(
        node,
        Acme,
        {"enabled": lambda child: child.flag()},
        {
            "directory": text(grammar.url),
            "issuer": text(grammar.dns_name),
            "contact": text(grammar.mail_target),
            "ca_certificate": text(grammar.certificate),
            "dns": _dns,
        },
    )


def _dns(node: Node) -> DnsUpdate | None:
    return record(
        node,
        DnsUpdate,
        {
            "server": text(grammar.host_or_address),
            "key_name": text(grammar.key_name),
            "secret": secret(grammar.tsig_secret),
        },
        {"algorithm": lambda child: child.choice("hmac-sha256", "hmac-sha384", "hmac-sha512")},
    )


def check(instance: Instance, node: Node) -> None:
    """Check that the instance's own chain, if it has one, is what its server can show."""
    found = instance.tls.certificate
    if not found:
        return
    place = node.below("tls").below("certificate")
    if instance.acme.enabled:
        place.complain("stands beside acme.enabled; one of the two")
    certificates = [x509.load_der_x509_certificate(base64.b64decode(item)) for item in found]
    if problem := chain.problem(certificates, instance.tls.key, instance.hostname):
        place.complain(problem)
