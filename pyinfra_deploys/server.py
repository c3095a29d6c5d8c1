"""The ordered list of services, and the deploy that puts them all on a machine.

Order matters only where a reason stands beside a line; the rest is alphabetical. The functions
that collect the rooms' facts are pure and don't import pyinfra.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pyinfra_deploys import (
    acme,
    agent,
    amavis,
    apache,
    autodiscover,
    backup,
    base,
    bind,
    clamav,
    cloudinit,
    cron,
    dovecot,
    fail2ban,
    mariadb,
    mtasts,
    nftables,
    opendkim,
    opendmarc,
    php,
    postfix,
    postfixadmin,
    postsrsd,
    pyzor,
    ratelimit,
    razor,
    roundcube,
    selinux,
    spamassassin,
    ssh,
    status,
    time,
    tools,
)
from pyinfra_deploys import room as rooms
from pyinfra_deploys.deploys import deploy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType

    from pyinfra_deploys.room import Port, Room, User
    from pyinfra_deploys.settings import Settings

#: Version of the manifest's form; the agent refuses one that it doesn't know.
HOUSE_FORMAT = 1

ROOMS = (
    base,  # first: directories and settings that every other room's files rely on
    acme,
    agent,
    amavis,
    apache,
    autodiscover,
    backup,
    bind,
    clamav,
    cloudinit,
    cron,
    dovecot,
    fail2ban,
    mariadb,
    mtasts,
    nftables,
    opendkim,
    opendmarc,
    php,
    postfix,
    postfixadmin,
    postsrsd,
    pyzor,
    ratelimit,
    razor,
    roundcube,
    selinux,
    spamassassin,
    ssh,
    status,
    time,
    tools,
)


def all_rooms() -> tuple[Room, ...]:
    """Return the facts of every room, in the order in which they are installed."""
    return tuple(rooms.read(module) for module in ROOMS)


def present(settings: Settings) -> tuple[Room, ...]:
    """Return those of the rooms that are there with these settings."""
    return tuple(room for room in all_rooms() if rooms.is_on(room, settings))


def packages(found: Iterable[Room]) -> tuple[str, ...]:
    """Return the names of all packages that rooms need, sorted."""
    return tuple(sorted({name for room in found for name in room.packages}))


def users(found: Iterable[Room]) -> tuple[User, ...]:
    """Return every account of rooms with a pinned id, by id."""
    return tuple(sorted((u for room in found for u in room.users), key=lambda u: u.id))


def ports(settings: Settings) -> tuple[Port, ...]:
    """Return what the server listens on with these settings, by number."""
    return rooms.ports(present(settings), settings)


def public_tcp_ports(settings: Settings) -> list[int]:
    """Return the TCP ports that the server shows to the world with these settings."""
    return [p.number for p in ports(settings) if p.is_public and p.protocol == "tcp"]


def masked(found: Iterable[Room]) -> list[str]:
    """Return the packages' units that no room wants."""
    return [unit for room in found for unit in room.masked]


def privileged(found: Iterable[Room]) -> list[str]:
    """Return the programs that may have more rights than who starts them, sorted."""
    return sorted(program for room in found for program in room.privileged)


def house(settings: Settings) -> dict[str, Any]:
    """Return the image's manifest: every fact of the rooms that is read at bake or at boot.

    Plain data, ready for JSON. `instance_files` maps the absolute path of each file that is
    rendered at boot to its template (below /usr/share/postolka/instance), mode, user and group.
    """
    facts = present(settings)
    return {
        "format": HOUSE_FORMAT,
        "settings": settings.as_data(),
        "ports": [asdict(port) for port in rooms.ports(facts, settings)],
        "egress": [asdict(flow) for flow in rooms.egress(facts, settings)],
        "units": [asdict(unit) for unit in rooms.units(facts, settings)],
        "state": [asdict(state) for room in facts for state in room.state],
        "readers": [asdict(reader) for room in facts for reader in room.readers],
        "checkers": [argv for room in facts for argv in room.checkers],
        "effective": {room.name: list(room.effective) for room in facts if room.effective},
        "users": [asdict(user) for user in users(facts)],
        "instance_files": {
            path: {"template": template, **asdict(attributes)}
            for room in facts
            for path, template, attributes in rooms.instance_files(room)
        },
    }


def _modules(settings: Settings) -> Iterator[tuple[str, ModuleType]]:
    """Yield the rooms that are there with these settings, by name, in their order."""
    names = {room.name for room in present(settings)}
    for module in ROOMS:
        name = module.__name__.rpartition(".")[2]
        if name in names:
            yield name, module


def generate(settings: Settings) -> None:
    """Make what comes from the packages alone, and takes long. They must be there already."""
    for _, module in _modules(settings):
        if hasattr(module, "generate"):
            module.generate()


@deploy("Server")
def server(settings: Settings) -> None:
    """Install every room. The packages and the accounts must be there already."""
    from pyinfra_deploys.operations import privileges, units  # noqa: PLC0415 - imports pyinfra

    facts = present(settings)
    generate(settings)
    for name, module in _modules(settings):
        getattr(module, name)(settings)
    # Once for all: what a command costs in a root is mostly entering it.
    wanted = [unit.name for unit in rooms.units(facts, settings)]
    units.enabled(name="Enable units", units=wanted, masked=masked(facts))
    privileges.kept(name="Take away privileges", programs=privileged(facts))
