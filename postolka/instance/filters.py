"""The part of an instance that says whom its content filters ask.

Read by `postolka.instance.parse_filters`. Pure: no I/O.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleChannel:
    """A channel of rules for SpamAssassin, sa-update(1)."""

    name: str
    fingerprint: str = ""
    """Of the key that signs it, 40 hexadecimal digits; empty: SpamAssassin's own key."""
    key: str = ""
    """Base64 of the public key, ASCII-armoured as gpg exports it; empty as above."""

    @property
    def armored(self) -> str:
        """The public key as gpg reads it."""
        return base64.b64decode(self.key).decode("ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Servers of the filters; the ports are each service's own, since the firewall knows them."""

    clamav_mirrors: tuple[str, ...] = ("database.clamav.net",)
    """freshclam's DatabaseMirror; empty: without the databases of ClamAV's makers."""
    clamav_urls: tuple[str, ...] = ()
    """freshclam's DatabaseCustomURL: signature files of others."""
    razor_server: str = "discovery.razor.cloudmark.com"
    """razor-agent.conf's razordiscovery: the server that names the others."""
    pyzor_servers: tuple[str, ...] = ("public.pyzor.org",)
    """The servers that pyzor(1) asks, each of them."""
    rule_channels: tuple[RuleChannel, ...] = (RuleChannel(name="updates.spamassassin.org"),)
    """Where newer rules for SpamAssassin come from; empty: the image's rules stay."""
