"""Who is never shut out, however many wrong passwords come from there. Pure: no I/O."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Bans:
    """Whom fail2ban leaves alone."""

    allowed: tuple[str, ...] = ()
    """Addresses and networks, such as an office's."""
