"""Exceptions that an operator makes for a while: for one peer, or against one.

Each has a reason and a last day. Read by `postolka.instance.parse_exceptions`. Pure: no I/O.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import date

#: What a POSIX regular expression, or Postfix' table of them, would take for more than itself.
_SPECIAL = re.compile(r"([\\.\[\](){}*+?|^$/])")
_HEADER_ACTIONS = {"reject": "REJECT", "hold": "HOLD", "discard": "DISCARD"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Exception:
    """What all have."""

    reason: str
    """Why, for whoever finds it later."""
    until: date
    """The last day on which it holds (UTC)."""

    @property
    def subject(self) -> str:
        """What it is for, as status names it: its kind, and the first field of its own."""
        own = fields(self)[len(fields(_Exception))]
        return f"{type(self).__name__.lower()} {getattr(self, own.name)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transport(_Exception):
    """Mail to a domain goes to a host of its own, whatever the domain's MX records say."""

    domain: str
    host: str

    @property
    def nexthop(self) -> str:
        """The host as Postfix' maps name it."""
        return f"[{self.host}]:25"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls(_Exception):
    """How sure the TLS of a domain's servers has to be, whatever DANE and MTA-STS say."""

    domain: str
    level: Literal["none", "may", "encrypt", "dane-only"]
    """As smtp_tls_policy_maps names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client(_Exception):
    """Hosts that bring mail to port 25."""

    network: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender(_Exception):
    """An address, or all of a domain and of those below it."""

    sender: str

    @property
    def globs(self) -> tuple[str, ...]:
        """The addresses as SpamAssassin's patterns (Mail::SpamAssassin::Conf, welcomelist_auth)."""
        if "@" in self.sender:
            return (self.sender,)
        return f"*@{self.sender}", f"*@*.{self.sender}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Header(_Exception):
    """Mail with a text in a header."""

    header: str
    contains: str
    """As it stands in the mail, upper or lower case."""
    action: Literal["reject", "hold", "discard"]
    """hold: it waits in the queue until somebody lets it go on."""

    @property
    def pattern(self) -> str:
        """The text as a regular expression."""
        text = _SPECIAL.sub(r"\\\1", self.contains)
        return f"^{self.header}:.*{text}"

    @property
    def postfix_action(self) -> str:
        """What Postfix does with it, header_checks(5)."""
        return _HEADER_ACTIONS[self.action]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exceptions:
    """All of them."""

    transports: tuple[Transport, ...] = ()
    tls: tuple[Tls, ...] = ()
    blocked_clients: tuple[Client, ...] = ()
    blocked_senders: tuple[Sender, ...] = ()
    """Of the envelope, on port 25."""
    allowed_clients: tuple[Client, ...] = ()
    """They pass port 25 without postscreen's tests, and beat a block of a larger network."""
    allowed_senders: tuple[Sender, ...] = ()
    """Their mail is no spam, where SPF or DKIM shows that it is theirs."""
    headers: tuple[Header, ...] = ()

    def on(self, day: date) -> Exceptions:
        """Return those that hold on a day."""
        found = {kind.name: getattr(self, kind.name) for kind in fields(self)}
        return replace(
            self,
            **{
                name: tuple(item for item in items if day <= item.until)
                for name, items in found.items()
            },
        )

    @property
    def tls_policies(self) -> tuple[tuple[str, str], ...]:
        """Next hops and how sure their TLS has to be, as smtp_tls_policy_maps has them."""
        hops = {item.domain: item.nexthop for item in self.transports}
        return tuple((hops.get(item.domain, item.domain), item.level) for item in self.tls)

    @property
    def all(self) -> tuple[Transport | Tls | Client | Sender | Header, ...]:
        """Every one, of whatever kind."""
        return tuple(item for kind in fields(self) for item in getattr(self, kind.name))
