"""A machine whose clock is wrong when it is switched on, where no signature is valid yet."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

import pytest

from postolka import acceptance
from tests.container.conftest import new_instance
from tests.vm.conftest import Boots, ask, await_state, running

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.soak

_QUESTIONS = {
    "kernel": "dmesg | grep 'setting system clock'",
    "synchronized": "timeout 180 sh -c "
    "'until [ -e /run/systemd/timesync/synchronized ]; do sleep 1; done'; echo $?",
    "now": "date +%s",
    "server": "timedatectl show-timesync --property=ServerName --value",
    "failed": "systemctl list-units --failed --no-legend --plain",
}


def test_clock_is_set_where_nothing_can_be_validated_yet(boots: Boots, tmp_path: Path) -> None:
    """The time server is found by name although every signature seems to be of the future."""
    instance = new_instance(tmp_path / "files", domain="clock.test")
    request = boots.request(instance, "clock", tmp_path / "state")
    with running(dataclasses.replace(request, clock="2020-01-01T00:00:00")) as machine:
        assert await_state(machine).word == "ready"
        seen = ask(machine, _QUESTIONS)
        assert "2020-01-01" in seen["kernel"]
        assert seen["synchronized"] == "0"
        assert abs(int(seen["now"]) - time.time()) < 60
        assert seen["server"].endswith("debian.pool.ntp.org")
        assert seen["failed"] == ""
        # By DANE, so by a validated name.
        assert acceptance.send(acceptance.subject(machine, boots.lab, instance.directory))
