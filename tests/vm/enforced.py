"""A plugin for pytest: tests of tests/container get the image in a virtual machine, enforcing.

pytest -p tests.vm.enforced tests/container/test_mail.py

What they ask of the server is the same; a container has no SELinux. A test fails, too, where
something was denied during it: the kernel says so on the machine's console.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from postolka import build, container, vm
from tests.vm.conftest import CPUS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from postolka.machines import Machine

#: Consoles of the machines of this run, and how much of each has been read.
_read: dict[Path, int] = {}


def pytest_configure(config: pytest.Config) -> None:
    """Have tests boot virtual machines where they ask for containers."""
    patch = pytest.MonkeyPatch()
    patch.setattr(container, "run", _run)
    config.add_cleanup(patch.undo)


def _run(request: container.Request) -> Machine:
    assert not request.is_writable
    assert not request.arguments
    built = build.realise(want="disk", progress=print, temporary_lock=True)
    assert built.disk
    assert built.id == request.id, "not this checkout's image"
    machine = vm.run(
        vm.Request(
            disk=built.disk,
            id=built.id,
            name=request.name,
            user_data=request.user_data,
            zone=request.zone,
            lab=request.lab,
            state=request.state,
            ports=request.ports,
            cpus=CPUS,
        )
    )
    assert machine.console
    _read[machine.console] = 0
    return machine


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Fail where SELinux has denied something since the last test."""
    denied = _denied()
    yield
    if denied:
        pytest.fail("\n".join([f"denied during {item.name}:", *denied]), pytrace=False)


def _denied() -> list[str]:
    found = []
    for console in [path for path in _read if path.exists()]:
        text = console.read_bytes()
        end = text.rfind(b"\n") + 1
        lines = text[_read[console] : end].decode(errors="replace").splitlines()
        found += [line for line in lines if "avc:  denied" in line]
        _read[console] = end
    return found
