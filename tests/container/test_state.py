"""State is of three kinds, and only the precious one may stop a boot."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from postolka import acceptance, container
from pyinfra_deploys import server
from tests import started
from tests.container.conftest import is_within, new_instance, ssh

if TYPE_CHECKING:
    from pathlib import Path

    from tests.container.conftest import Boots

pytestmark = pytest.mark.soak


def test_server_starts_without_what_can_be_made_again(boots: Boots, tmp_path: Path) -> None:
    """Every directory that a room calls rebuildable or a cache is gone, and mail flows again."""
    instance = new_instance(tmp_path / "files", domain="state.test")
    state = tmp_path / "state"
    machine = container.run(boots.request(instance, state))
    wanted = ssh(machine, "sudo postolka-instance user list")
    started.drop(machine.name)
    kinds = [(item.path, item.kind) for room in server.all_rooms() for item in room.state]
    precious = [path for path, kind in kinds if kind == "precious"]
    spare = [path for path, kind in kinds if kind != "precious"]
    assert not [path for path in precious if is_within(path, spare)]
    for path in spare:
        shutil.rmtree(state / path.lstrip("/"), ignore_errors=True)
        assert not (state / path.lstrip("/")).exists()
    machine = container.run(boots.request(instance, state))
    try:
        subject = acceptance.subject(machine, boots.lab, instance.directory)
        acceptance.run(subject, lambda _promise, _seen: None)
        assert ssh(machine, "sudo postolka-instance user list") == wanted
    finally:
        started.drop(machine.name)
