"""Power that goes at any point of the first boot."""

from __future__ import annotations

import smtplib
import ssl
import time
from typing import TYPE_CHECKING

import pytest

from postolka import acceptance, container, machines
from tests import started
from tests.container.conftest import BOOT_SECONDS, Boots, Instance, new_instance, running

if TYPE_CHECKING:
    from pathlib import Path

    from postolka.machines import Machine
    from postolka.mailclient import Login

#: What the console shows at the earliest point, and how long after it the power goes at the last.
_FIRST_SIGN = "postolka-"
_LAST_SECONDS = 3.0
#: Two boots each: `make test` cuts at one in the middle.
_POINTS = [
    point if point == 4 else pytest.param(point, marks=pytest.mark.soak) for point in range(10)
]


@pytest.mark.parametrize("point", _POINTS)
def test_power_cut_in_the_first_boot_is_survived(
    boots: Boots, tmp_path: Path, cut: Instance, point: int
) -> None:
    """Wherever the first boot of the agent is cut off, the next one finishes it."""
    state = tmp_path / "state"
    with running(boots.request(cut, state)) as machine:
        _cut_after(machine, point)
    machine = container.run(boots.request(cut, state))
    try:
        subject = acceptance.subject(machine, boots.lab, cut.directory)
        assert acceptance.receive(subject)
        _log_in(machine, subject.first)
    finally:
        started.drop(machine.name)


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Instance:
    """Return the instance whose first boots are cut off."""
    return new_instance(tmp_path_factory.mktemp("cut") / "files", domain="cut.test")


def _cut_after(machine: Machine, point: int) -> None:
    """Kill the machine at one of ten moments from the agent's first sign on."""
    started.await_sign(machine, _FIRST_SIGN, timeout_seconds=BOOT_SECONDS)
    time.sleep(_LAST_SECONDS * point / 9)
    machines.kill(machine.name)


def _log_in(machine: Machine, login: Login) -> None:
    # Its own self-signed certificate; acceptance checks the key.
    context = ssl._create_unverified_context()  # noqa: S323
    with smtplib.SMTP_SSL(machine.host, machine.ports[465], context=context) as client:
        client.login(login.address, login.password)
