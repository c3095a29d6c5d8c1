"""OpenDKIM at its memory limit: only a machine with a kernel of its own has one."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

import pytest

from postolka import acceptance
from tests.container import judged, senders
from tests.container.conftest import new_instance
from tests.vm.conftest import Boots, ask, await_state, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from postolka.machines import Machine

pytestmark = pytest.mark.soak

#: A leak of weeks in a second: by a process that is put among the daemon's own.
_FILL = """
sh -c 'echo $$ >/sys/fs/cgroup/system.slice/opendkim.service/cgroup.procs && exec tail /dev/zero'
"""
_SOME_SECONDS = 10


@contextlib.contextmanager
def _leaking(machine: Machine) -> Iterator[None]:
    """Have OpenDKIM reach its limit again and again."""
    is_over = threading.Event()

    def work() -> None:
        while not is_over.wait(_SOME_SECONDS):
            ask(machine, {"filled": _FILL})

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def test_no_mail_is_judged_wrongly_while_opendkim_is_stopped_by_its_limit(
    boots: Boots, tmp_path: Path
) -> None:
    """The kernel ends it, systemd starts it afresh, and Postfix puts mail off meanwhile."""
    instance = new_instance(tmp_path / "files", domain="leak.test")
    with running(boots.request(instance, "leak", tmp_path / "state")) as machine:
        assert await_state(machine).word == "ready"
        subject = acceptance.subject(machine, boots.lab, instance.directory)
        senders.publish(boots.lab)
        judged.rightly(subject, subject.first, _leaking(machine), patience_seconds=900)
        ends = "journalctl --unit=opendkim.service --grep='oom-kill' --output=cat | wc -l"
        assert int(ask(machine, {"ends": ends})["ends"])
