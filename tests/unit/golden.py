"""Rendered files, compared with the copies in tests/unit/golden/ROOM/.

After a wanted change of a template: `POSTOLKA_GOLDEN=write pytest tests/unit`, then read the diff.
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2

from postolka.instance.model import (
    Account,
    Admin,
    Database,
    DkimKey,
    Domain,
    Instance,
    Tls,
)
from postolka.instance.render import context
from postolka.instance.secret import Secret
from postolka.instance.templates import attributes, environment
from postolka.instance.transport import Relay
from pyinfra_deploys import room as rooms
from pyinfra_deploys import server
from pyinfra_deploys.settings import Settings
from pyinfra_deploys.tree import entries

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

    from pyinfra_deploys.room import Room

_FOLDER = Path(__file__).parent / "golden"
_KEY = Secret("MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f")

DATABASE = Database(
    postfix=Secret("postfix-password"),
    dovecot=Secret("dovecot-password"),
    dovecot_quota=Secret("dovecot-quota-password"),
    postfixadmin=Secret("postfixadmin-password"),
    amavis=Secret("amavis-password"),
    roundcube=Secret("roundcube-password"),
)
#: An instance whose texts are the same in every run. Its keys are made of the bytes 0 to 31.
EXAMPLE = Instance(
    serial=1,
    hostname="mail.example.test",
    addresses=("192.0.2.25", "2001:db8::25"),
    admin=Admin(address="admin@example.test", password_hash=Secret("$6$salt$hash")),
    domains=(
        Domain(
            name="example.test",
            dkim=(
                DkimKey(selector="r1", algorithm="rsa", private_key=_KEY),
                DkimKey(selector="e1", algorithm="ed25519", private_key=_KEY),
            ),
        ),
        Domain(
            name="example.net",
            dkim=(DkimKey(selector="r1", algorithm="rsa", private_key=_KEY),),
        ),
    ),
    tls=Tls(key=_KEY, next_key=_KEY),
    database=DATABASE,
    accounts=(Account(address="alice@example.test", password_hash=Secret("$6$salt$hash")),),
)

#: The same with its database on another machine.
ELSEWHERE = replace(
    EXAMPLE, database=replace(DATABASE, host="db.example.test", ca_certificate="MIIB")
)

#: A server without mailboxes: one domain's mail goes on by a name, the other's by an address.
RELAY = replace(
    EXAMPLE,
    database=None,
    accounts=(),
    clients=("198.51.100.0/28", "2001:db8:5::/64"),
    relays=(
        Relay(host="inside.example.test", tls="encrypt", port=25, destinations=("example.test",)),
        Relay(host="198.51.100.9", tls="may", port=25, destinations=("example.net",)),
    ),
)
#: The settings of its image.
WITHOUT_MAILBOXES = replace(Settings(), base=replace(Settings().base, mailboxes=False))


def baked(module: ModuleType, settings: Settings | None = None) -> dict[str, bytes]:
    """Return the files that the room `module` bakes, by path."""
    settings = settings or Settings()
    room = rooms.read(module)
    found = entries(room, settings, server.house(settings), {})
    return {entry.path: entry.content for entry in found if entry.kind == "file"}


def rendered(
    module: ModuleType, instance: Instance = EXAMPLE, settings: Settings | None = None
) -> dict[str, str]:
    """Return the files that the room `module` has rendered at boot, by path."""
    return _rendered([rooms.read(module)], instance, settings or Settings())


def all_rendered(instance: Instance) -> dict[str, str]:
    """Return the files that every room has rendered at boot, by path, in an image that fits."""
    settings = Settings() if instance.has_mailboxes else WITHOUT_MAILBOXES
    return _rendered(server.present(settings), instance, settings)


def _rendered(found: Iterable[Room], instance: Instance, settings: Settings) -> dict[str, str]:
    machine = attributes(
        {"rndc_key": "cm5kYw==", "roundcube_key": "cm91bmQ=", "srs_secret": "c3Jz"}
    )
    names = context(instance, house=server.house(settings), machine=machine)
    return {
        path: _templates().get_template(template).render(**names)
        for room in found
        for path, template, _ in rooms.instance_files(room)
    }


@cache
def _templates() -> jinja2.Environment:
    # As the image has them: one tree of all rooms' templates.
    folders = [facts.instance for facts in server.all_rooms()]
    return environment(jinja2.FileSystemLoader(folders))


def check(room: str, path: str, content: str | bytes) -> None:
    """Assert that `content` is what golden/ROOM/ has for `path`."""
    text = content.decode() if isinstance(content, bytes) else content
    file = _FOLDER / room / path.strip("/").replace("/", "_")
    if os.environ.get("POSTOLKA_GOLDEN") == "write":
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert text == file.read_text()
