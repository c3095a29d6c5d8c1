"""What a mail client is told, and other servers that look for a policy: facts for the web's files.

Pure: no I/O.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from postolka.instance import mtasts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from postolka.instance.model import Instance

#: A port's name, and what a mail client calls it, in the order a person meets them: TLS from the
#: first byte before STARTTLS (RFC 8314, 3).
_PROTOCOLS = {
    "imaps": "IMAP",
    "imap": "IMAP",
    "submissions": "SMTP",
    "submission": "SMTP",
    "sieve": "ManageSieve",
}
_SECURITY = {"implicit": "SSL/TLS", "starttls": "STARTTLS"}


def services(house: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what a mail client asks for: protocol, port and security."""
    by_name = {port["name"]: port for port in house["ports"]}
    return [
        {
            "protocol": protocol,
            "port": by_name[name]["number"],
            "security": _SECURITY[by_name[name]["tls"]],
        }
        for name, protocol in _PROTOCOLS.items()
        if name in by_name
    ]


def web_names(instance: Instance, house: Mapping[str, Any]) -> tuple[str, ...]:
    """Return every name that the server answers to on the web, its own first."""
    labels = dict.fromkeys(label for port in house["ports"] for label in port["domain_hosts"])
    hosts = (f"{label}.{domain.name}" for domain in instance.domains for label in labels)
    return tuple(dict.fromkeys((instance.hostname, *hosts)))


def facts(
    instance: Instance, house: Mapping[str, Any], *, is_certified: bool = False
) -> dict[str, Any]:
    """Return what templates of the web's files need beside the instance.

    `is_certified` says whether others can verify the server's certificate.
    """
    names = ("profile", "account")
    return {
        "services": services(house),
        "names": web_names(instance, house),
        "mtasts_policy": mtasts.policy(instance.hostname, is_enforced=is_certified),
        # A profile that is installed again replaces the one with the same identifier.
        "uuids": {
            name: str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.{instance.hostname}")).upper()
            for name in names
        },
    }
