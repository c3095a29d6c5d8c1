"""OpenDKIM at its memory limit: only a machine with a kernel of its own has one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from postolka import acceptance, machines
from tests.container import judged, senders
from tests.container.conftest import new_instance
from tests.vm.conftest import Boots, ask, await_state, running

if TYPE_CHECKING:
    import threading
    from contextlib import AbstractContextManager
    from pathlib import Path

    from postolka.machines import Machine

pytestmark = pytest.mark.soak

#: A leak of weeks in a second: by a process that is put among the daemon's own, and that the
#: kernel ends only after those.
_FILL = """sh -c '
    echo $$ >/sys/fs/cgroup/system.slice/opendkim.service/cgroup.procs &&
    echo -999 >/proc/$$/oom_score_adj && exec tail /dev/zero' || true"""
_SOME_SECONDS = 5
_ENDED = r"Memory cgroup out of memory: Killed process \d+ \(opendkim\)"
_QUESTIONS = {
    "ended": f"journalctl --dmesg --quiet --output=cat --grep='{_ENDED}' | wc --lines",
    "running": "systemctl is-active opendkim.service",
}


def _leaking(machine: Machine) -> AbstractContextManager[None]:
    """Have OpenDKIM reach its limit again and again."""

    def work(is_over: threading.Event) -> None:
        while not is_over.wait(_SOME_SECONDS):
            ask(machine, {"filled": _FILL})

    return judged.beside(work)


def test_no_mail_is_judged_wrongly_while_opendkim_is_ended_by_its_limit(
    boots: Boots, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The kernel ends it, systemd starts it afresh, and Postfix puts mail off meanwhile."""
    instance = new_instance(tmp_path / "files", domain="leak.test")
    with running(boots.request(instance, "leak", tmp_path / "state")) as machine:
        assert await_state(machine).word == "ready"
        subject = acceptance.subject(machine, boots.lab, instance.directory)
        senders.publish(boots.lab)
        judged.rightly(subject, subject.first, _leaking(machine), patience_seconds=900)
        seen = ask(machine, _QUESTIONS)
        machines.kill(machine.name)
    with capsys.disabled():
        sys.stdout.write(f"\nOpenDKIM reached its limit {seen['ended']} times\n")
    assert int(seen["ended"])
    assert seen["running"] == "active"
