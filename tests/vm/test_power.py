"""Power that goes while mail comes in: what was acknowledged with 250 arrives.

Once, as a rule: a mail whose delivery is done, and whose queue file's removal isn't on the disk
yet, is delivered again. SMTP has no answer to that (RFC 1047), nor has this server.

The machine is QEMU, killed. What it had written without a flush is then in the host's cache, and
survives; so in one round all that goes as well, as with a disk that has a cache of its own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import random
import smtplib
import subprocess
import sys
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from postolka import acceptance, machines, mailclient, vm
from postolka.acceptance import compose
from postolka.lab import post, world
from tests.container.conftest import new_instance
from tests.vm import writelog
from tests.vm.conftest import Boots, ask, await_state, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from postolka.acceptance import Subject

pytestmark = pytest.mark.soak

#: POSTOLKA_POWER_CUTS=3 is a short run; a round takes as long as a boot.
_CUTS = int(os.environ.get("POSTOLKA_POWER_CUTS", "20"))
_SEED = 25
#: How long a machine serves before its power goes.
_SECONDS = (1.0, 25.0)
_SENDERS = 2
#: Between two mails of a sender: an emulated machine filters one in some seconds.
_PAUSE_SECONDS = 2
_DRAIN_SECONDS = 1800
#: Deliveries that Postfix makes at once: to amavis (amavis_max_servers), and by LMTP to one user
#: (lmtp_destination_concurrency_limit). So many, at most, are in doubt after a cut.
_AT_ONCE = 2 + 5


@contextlib.contextmanager
def _sending(subject: Subject) -> Iterator[list[str]]:
    """Bring mails one after the other, whoever listens; yield the list of the acknowledged ones."""
    acknowledged: list[str] = []
    end = threading.Event()

    def send() -> None:
        to = subject.first.address
        while not end.wait(1):
            with (
                contextlib.suppress(OSError, smtplib.SMTPException),
                post.stranger(subject.lab, subject.address) as client,
            ):
                while not end.wait(_PAUSE_SECONDS):
                    mail = compose(world.STRANGER, [to], "Before the power goes")
                    client.sendmail(world.STRANGER, [to], bytes(mail))
                    acknowledged.append(mail["Message-ID"])

    threads = [threading.Thread(target=send) for _ in range(_SENDERS)]
    for thread in threads:
        thread.start()
    try:
        yield acknowledged
    finally:
        end.set()
        for thread in threads:
            thread.join()


def test_power_cuts_lose_no_mail(
    boots: Boots, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Cut off at any moment of delivery, many times, in one round with the disk's cache."""
    instance = new_instance(tmp_path / "files", domain="power.test")
    request = boots.request(instance, "power", tmp_path / "state")
    moments = random.Random(_SEED)  # noqa: S311 - the same ones in each run
    with running(request) as machine:
        assert await_state(machine).word == "ready"
        subject = acceptance.subject(machine, boots.lab, instance.directory)
        with _sending(subject) as acknowledged:
            time.sleep(moments.uniform(*_SECONDS))
            machines.kill(machine.name)
            for number in range(1, _CUTS):
                if number == _CUTS // 2:
                    _cut_with_cache(request, tmp_path, moments.uniform(*_SECONDS))
                else:
                    _cut(request, moments.uniform(*_SECONDS))
    with running(request) as machine:
        assert await_state(machine).word == "ready"
        # Postfix may have looked for a service before that was there, and would wait for minutes.
        idle = 'postqueue -p | grep --quiet "queue is empty"'
        wait = f"postqueue -f; timeout 60 sh -c 'until {idle}; do sleep 2; done'; echo $?"
        deadline = time.monotonic() + _DRAIN_SECONDS
        while ask(machine, {"queue": wait})["queue"] != "0":
            assert time.monotonic() < deadline
        health = ask(machine, {"failed": "systemctl list-units --failed --no-legend --plain"})
        subject = acceptance.subject(machine, boots.lab, instance.directory)
        copies = _copies(subject)
        machines.kill(machine.name)
    lost = [mark for mark in acknowledged if not copies[mark]]
    again = sum(copies[mark] - 1 for mark in acknowledged if copies[mark])
    figures = f"{_CUTS} cuts, {len(acknowledged)} mails: {len(lost)} lost, {again} delivered again"
    with capsys.disabled():
        sys.stdout.write(f"\n{figures}\n")
    assert len(acknowledged) >= _CUTS
    assert lost == []
    assert again <= _AT_ONCE * _CUTS
    assert health["failed"] == ""


def _cut(request: vm.Request, seconds: float) -> None:
    """Boot the machine, and take its power so long after it is ready."""
    with running(request) as machine:
        assert await_state(machine).word == "ready"
        time.sleep(seconds)
        machines.kill(machine.name)


def _cut_with_cache(request: vm.Request, place: Path, seconds: float) -> None:
    """Likewise, and what the disk hadn't been told to flush is gone, too."""
    assert request.state
    overlay, raw, log = request.state / vm.OVERLAY, place / "before.raw", place / "writes"
    subprocess.run(["qemu-img", "convert", "-O", "raw", overlay, raw], check=True)
    _cut(dataclasses.replace(request, write_log=log), seconds)
    assert writelog.replay(log, raw) >= 0
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, overlay], check=True)
    raw.unlink()
    log.unlink()


def _copies(subject: Subject) -> Counter[str]:
    """Return how often each Message-ID is in the inbox."""
    found: Counter[str] = Counter()
    with mailclient.inbox(subject.server, subject.first) as client:
        _, parts = client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")
        for part in parts:
            if isinstance(part, tuple):
                found[part[1].decode("ascii").partition(":")[2].strip()] += 1
    return found
