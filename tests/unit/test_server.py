"""The whole house: what the rooms say together."""

from __future__ import annotations

import difflib
import json
import subprocess
import sys
from collections import Counter
from dataclasses import fields, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from postolka import deployer
from postolka.home import CHECKOUT
from pyinfra_deploys import server
from pyinfra_deploys.cloudinit import FILES_OF_CLOUD_INIT
from pyinfra_deploys.deploys import LIBRARY
from pyinfra_deploys.room import Room
from pyinfra_deploys.sections import PostfixSettings
from pyinfra_deploys.settings import Settings
from pyinfra_deploys.tree import entries

if TYPE_CHECKING:
    from pyinfra_deploys.room import Egress, Port, Unit

OTHER = replace(Settings(), postfix=PostfixSettings(message_size_limit_mib=20))


def test_every_room_in_the_repository_is_in_the_house() -> None:
    """A folder with a rootfs, a policy or packages of its own isn't forgotten."""
    folders = {path.parent.name for path in (CHECKOUT / "pyinfra_deploys").glob("*/rootfs")}
    assert folders <= {room.name for room in server.all_rooms()}


def test_a_room_has_the_deploy_that_is_named_like_it() -> None:
    """postfix/ has postfix()."""
    for module in server.ROOMS:
        name = module.__name__.rpartition(".")[2]
        assert callable(getattr(module, name)), name


def test_no_room_misspells_a_fact() -> None:
    """A room's reader passes over a constant that it doesn't know, such as EGRES."""
    facts = {item.name.upper() for item in fields(Room)}
    for module in server.ROOMS:
        public = {name for name in vars(module) if name.isupper() and not name.startswith("_")}
        meant = {name: difflib.get_close_matches(name, facts, 1, 0.8) for name in public - facts}
        assert not any(meant.values()), f"{module.__name__}: {meant}"


def test_a_package_is_named_in_one_room() -> None:
    """So that whoever removes a service knows what goes with it."""
    named = Counter(name for room in server.all_rooms() for name in room.packages)
    assert [name for name, count in named.items() if count > 1] == []


def test_names_and_ids_of_accounts_are_unique() -> None:
    """Two names with one id would share their files."""
    users = server.users(server.all_rooms())
    assert all(one.id < two.id for one, two in pairwise(users))
    assert len({user.name for user in users}) == len(users)


def test_a_port_has_one_owner() -> None:
    """Two rooms can't listen on one port."""
    ports = [(port.number, port.protocol) for port in server.ports(Settings())]
    assert len(set(ports)) == len(ports)


def test_a_setting_that_a_fact_names_exists() -> None:
    """`Port.setting` and its like are dotted names of settings."""
    for room in server.all_rooms():
        facts: list[Port | Egress | Unit] = [*room.ports, *room.egress, *room.units]
        for fact in facts:
            if fact.setting:
                Settings().is_on(fact.setting)


def test_the_firewalls_users_exist() -> None:
    """A flow out belongs to an account of a room, to root, or to one of Debian's static ones."""
    known = {user.name for user in server.users(server.all_rooms())} | {"root", "_apt"}
    flows = {flow.user for room in server.all_rooms() for flow in room.egress}
    assert flows <= known


def test_no_two_rooms_install_one_file() -> None:
    """The second would undo the first, at each run."""
    house = server.house(Settings())
    paths = Counter(
        entry.path
        for room in server.all_rooms()
        for entry in entries(replace(room, files={}), Settings(), house, {})
        if entry.kind != "directory"
    )
    assert [path for path, count in paths.items() if count > 1] == []


def test_what_is_checked_is_installed() -> None:
    """A room with CHECKS says what they read, each of which is some room's."""
    house = server.house(Settings())
    rooms = server.all_rooms()
    installed = {
        entry.path
        for room in rooms
        for entry in entries(replace(room, files={}), Settings(), house, {})
    }
    # A room's deploy adds them.
    installed |= {*FILES_OF_CLOUD_INIT, f"{LIBRARY}/postolka"}
    for room in rooms:
        assert bool(room.checks) == bool(room.reads), room.name
        for path in room.reads:
            assert any(f"{found}/".startswith(f"{path}/") for found in installed), path


def test_nothing_names_an_instance() -> None:
    """The manifest is plain data, the same for every machine."""
    house = server.house(Settings())
    assert json.loads(json.dumps(house)) == json.loads(json.dumps(server.house(Settings())))
    assert house["format"] == server.HOUSE_FORMAT
    assert house["settings"]["postfix"]["message_size_limit_mib"] == 50


def test_the_same_settings_give_the_same_plan() -> None:
    """The plan is what an image's id is made of: no order, address or date may get in."""
    assert deployer.plan(server.server, Settings()) == deployer.plan(server.server, Settings())


def test_another_setting_gives_another_plan() -> None:
    """Settings reach the image through rendered files, so they are in the plan."""
    first, second = (deployer.plan(server.server, settings) for settings in (Settings(), OTHER))
    differing = [step["name"] for step, other in zip(first, second, strict=True) if step != other]
    assert differing


def test_the_plan_starts_nothing() -> None:
    """No daemon is started, restarted or reloaded while an image is baked."""
    commands = [
        command["run"]
        for step in deployer.plan(server.server, Settings())
        for command in step["commands"]
    ]
    assert commands
    for verb in ("start", "restart", "reload", "--now"):
        assert not any(f"systemctl {verb}" in command for command in commands)


def test_rooms_are_read_without_pyinfra() -> None:
    """The lock, the firewall and a VM's ports read rooms; half a second each would be felt."""
    code = "import sys; from pyinfra_deploys import server; "
    code += "rooms = server.all_rooms(); server.packages(rooms); server.users(rooms); "
    code += "assert 'pyinfra' not in sys.modules and 'gevent' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, check=True)
