"""The part of an instance that says how mail comes in and goes out, beside its domains.

Read by `postolka.instance.parse_transport`. Pure: no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from postolka.instance.secret import Secret


#: Of a relay host: how sure its TLS has to be, as smtp_tls_policy_maps names it.
Tls = Literal["may", "encrypt", "dane-only", "secure"]
#: Spamhaus's list under the name that is free to ask for.
ZEN = "zen.spamhaus.org"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dnsbl:
    """A DNS list of clients' addresses (RFC 5782), an entry of Postfix's postscreen_dnsbl_sites."""

    site: str
    """The list's name."""
    answers: str = ""
    """Postfix's filter, as 127.0.0.[2..11]: which answers count; empty: any."""
    weight: int = 1
    """What a listing adds to the client's score; below 0 for a list of good ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Postscreen:
    """What strangers on port 25 are asked, postscreen(8)."""

    #: Only these answers are listings: 127.255.255.x says that the query itself was refused.
    dnsbl: tuple[Dnsbl, ...] = (Dnsbl(site=ZEN, answers="127.0.0.[2..11]", weight=3),)
    """The lists that are asked; empty: none."""
    access: tuple[str, ...] = ()
    """Networks whose hosts pass without a test."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """A server that mail is given to, instead of to its destination's own."""

    host: str
    """Its name or address."""
    port: int = 587
    """465 is TLS from the first byte (RFC 8314), 25 and 587 STARTTLS."""
    tls: Tls = "secure"
    """secure: a certificate of its name by a public authority; dane-only: by TLSA records; encrypt:
    any; may: clear text, where it has none."""
    user: str = ""
    """For SASL; empty: no login."""
    password: Secret | None = None
    destinations: tuple[str, ...] = ()
    """Only mail to these domains."""
    senders: tuple[str, ...] = ()
    """Only mail from these addresses, or of these domains. Both empty: all mail."""

    @property
    def nexthop(self) -> str:
        """The host as Postfix's maps name it: its own addresses count, not its MX records."""
        return f"[{'ipv6:' if ':' in self.host else ''}{self.host}]:{self.port}"

    @property
    def transport(self) -> str:
        """Where Postfix's transport maps lead to."""
        return f"{'smtps' if self.port == 465 else 'smtp'}:{self.nexthop}"  # noqa: PLR2004 - RFC 8314

    @property
    def is_for_all(self) -> bool:
        """Whether all mail goes there."""
        return not self.destinations and not self.senders
