"""The same server on a Debian 13 machine that is administered by apt, over SSH.

What an image brings by itself (accounts, packages, a boot) is done here before and after the rooms.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pyinfra.api.exceptions import DeployError
from pyinfra.operations import apt

from postolka.errors import PostolkaError
from postolka.instance import document
from postolka.instance.parse import parse
from pyinfra_deploys import room as rooms
from pyinfra_deploys import server
from pyinfra_deploys import settings as all_settings
from pyinfra_deploys.deploys import deploy
from pyinfra_deploys.operations import accounts, debconf, tree, units
from pyinfra_deploys.tree import Entry, gates

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyinfra_deploys.settings import Settings

#: Where the agent keeps the last good instance data.
_INSTANCE = "/var/lib/postolka/instance.yaml"


def of_host(data: Mapping[str, object]) -> None:
    """Make the machine that pyinfra has at hand the server, by what `data` say of it.

    They hold settings as group_data do, and as `instance_file` the path of its instance data.
    Raises DeployError for bad ones, before anything is done: pyinfra shows it without a traceback.
    """
    try:
        settings = all_settings.of_host(data)
        file = data.get("instance_file")
        instance = None if file is None else instance_data(Path(str(file)))
    except PostolkaError as error:
        raise DeployError(str(error)) from error
    machine(settings, instance=instance)


def instance_data(file: Path) -> bytes:
    """Return the instance data in a file that `postolka instance new` wrote.

    They are good ones, since they are to replace what the machine runs on. Raises PostolkaError
    for a file that can't be read, and ProblemsError for bad data.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        hint = "postolka instance new DOMAIN -o DIR"
        raise PostolkaError(str(file), f"can't be read: {error.strerror}", hint=hint) from error
    parse(content, where=str(file))
    return document.part(content, where=str(file))


@deploy("Packages")
def packages(settings: Settings) -> None:
    """Make the accounts, then install every package at once, with no service starting on it.

    The services' gates come first: a package that starts its daemon with Debian's configuration
    would be on the air before the rooms' one is there.
    """
    facts = server.present(settings)
    accounts.present(name="Make accounts", users=server.users(facts))
    tree.install(name="Hold services back", entries=gates(facts, settings))
    units.enabled(name="Mask the unwanted", units=[], masked=server.masked(facts))
    debconf.answered(name="Answer questions", lines=[line for r in facts for line in r.debconf])
    apt.packages(
        name="Install packages",
        packages=list(server.packages(facts)),
        update=True,
        cache_time=3600,
        no_recommends=True,
    )


@deploy("Machine")
def machine(settings: Settings, instance: bytes | None = None) -> None:
    """Make a stock Debian 13 machine the server; `instance` replaces its instance data.

    With neither new data nor older ones on the machine it serves SSH only.
    """
    packages(settings)
    server.server(settings)
    if instance is not None:
        entry = Entry(path=_INSTANCE, mode="0600", content=instance)
        tree.install(name="Put instance data", entries=[entry])
    facts = server.present(settings)
    wanted = [unit.name for unit in rooms.units(facts, settings)]
    units.running(name="Start everything", units=wanted, stopped=server.masked(facts))
