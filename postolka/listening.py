"""What a server of this checkout listens on: its rooms' ports, under its settings."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from postolka import derivation, home
from pyinfra_deploys import server, settings

if TYPE_CHECKING:
    from pyinfra_deploys.room import Port


def ports(*, has_mailboxes: bool = True) -> tuple[Port, ...]:
    """Return the ports, by number, of a server with mailboxes or of one without.

    Raises PostolkaError for settings that aren't valid.
    """
    found = settings.load(home.CHECKOUT / derivation.GROUP_DATA)
    base = replace(found.base, mailboxes=has_mailboxes)
    return server.ports(replace(found, base=base))
