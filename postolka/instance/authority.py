"""The certification authority that vouches for the server, as instance data name it.

Read by `postolka.instance.parse_authority`. Pure: no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from postolka.instance.keys import pem

if TYPE_CHECKING:
    from postolka.instance.secret import Secret

_HTTPS = 443


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsUpdate:
    """A name server that takes changes of the zone (RFC 2136), signed by a key (RFC 8945)."""

    server: str
    """The zone's primary, a name or an address; port 53."""
    key_name: str
    secret: Secret
    """Base64."""
    algorithm: Literal["hmac-sha256", "hmac-sha384", "hmac-sha512"] = "hmac-sha256"


@dataclass(frozen=True, slots=True, kw_only=True)
class Acme:
    """The certificate authority to order from (RFC 8555)."""

    enabled: bool = False
    directory: str = "https://acme-v02.api.letsencrypt.org/directory"
    """URL of the authority's directory."""
    issuer: str = "letsencrypt.org"
    """The authority's name in CAA records (RFC 8659, 4.2)."""
    contact: str = ""
    """Mail address for the account; empty: none."""
    ca_certificate: str = ""
    """Base64 of the DER certificate that vouches for the directory's server; empty: Debian's."""
    dns: DnsUpdate | None = None
    """Names are proved in the DNS (dns-01); None: by the web server on port 80 (http-01)."""

    @property
    def port(self) -> int:
        """The port of the directory's server."""
        return urlsplit(self.directory).port or _HTTPS

    @property
    def ca_pem(self) -> str:
        """What vouches for the directory's server as a PEM document; empty: Debian's."""
        return pem(self.ca_certificate, "CERTIFICATE") if self.ca_certificate else ""
