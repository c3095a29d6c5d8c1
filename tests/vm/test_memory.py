"""What the whole chain needs, with the few signatures that the image brings."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING

import pytest

from postolka import acceptance
from tests.container.conftest import new_instance
from tests.vm import chain
from tests.vm.conftest import Boots, ask, await_state, running

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.soak

_MIB = 2048
_QUESTIONS = {
    "memory": "free --mebi",
    "largest": "ps --no-headers -eo rss:8,args:40 --sort=-rss | head -n 12",
    # Of the machine, or of a unit's MemoryMax.
    "killed": "journalctl --dmesg --quiet --output=cat --grep='out of memory|oom-kill' || true",
}


def test_two_gibibytes_are_enough(
    boots: Boots, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """After mails of each kind a quarter is left, and the kernel has killed nothing."""
    instance = new_instance(tmp_path / "files", domain="small.test")
    request = boots.request(instance, "small", tmp_path / "state")
    with running(dataclasses.replace(request, memory_mib=_MIB)) as machine:
        assert await_state(machine).word == "ready"
        subject = acceptance.subject(machine, boots.lab, instance.directory)
        acceptance.run(subject, lambda _promise, _seen: None)
        assert chain.outcomes(machine, subject) == chain.OUTCOMES
        seen = ask(machine, _QUESTIONS)
    with capsys.disabled():
        sys.stdout.write(f"\n{seen['memory']}\n{seen['largest']}\n")
    row = next(line for line in seen["memory"].splitlines() if line.startswith("Mem:"))
    total, *_, available = (int(word) for word in row.split()[1:])
    assert total <= _MIB
    assert available > _MIB // 4
    assert seen["killed"] == ""
