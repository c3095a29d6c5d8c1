"""The part of an instance that says how mail comes in and goes out, beside its domains.

Read by `postolka.instance.parse_transport`. Pure: no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass

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
