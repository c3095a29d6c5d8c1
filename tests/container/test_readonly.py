"""Nothing changes but state: what a server does leaves the rest of the machine as it was."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

import pytest

from postolka import acceptance, container
from pyinfra_deploys import server
from tests import started
from tests.container.conftest import is_within, new_instance, reboot, ssh
from tests.vm import chain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postolka.acceptance import Subject
    from postolka.machines import Machine
    from tests.container.conftest import Boots, Instance

pytestmark = pytest.mark.soak

_MARK = "/run/before"
#: Where programs keep what the next boot doesn't need.
_PASSING = ("/run", "/tmp", "/var/tmp", "/dev", "/proc", "/sys")  # noqa: S108 - no file of ours
_MOUNTS = "findmnt --json --list --output TARGET,OPTIONS"
_PLANTED = "/run/postolka/etc/postfix/planted"


@pytest.fixture(name="instance", scope="module")
def _instance(tmp_path_factory: pytest.TempPathFactory) -> Instance:
    return new_instance(tmp_path_factory.mktemp("readonly") / "files", domain="still.test")


@pytest.fixture(name="own", scope="module")
def _own(
    boots: Boots, instance: Instance, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    """Boot a server of this file's own, on a state that stays."""
    machine = container.run(boots.request(instance, tmp_path_factory.mktemp("state") / "state"))
    yield machine
    started.drop(machine.name)


@pytest.fixture(name="subject", scope="module")
def _subject(own: Machine, boots: Boots, instance: Instance) -> Subject:
    return acceptance.subject(own, boots.lab, instance.directory)


def _changed(machine: Machine) -> list[str]:
    """Return the files that were made or changed since the mark, of all that can be written to."""
    found = json.loads(ssh(machine, _MOUNTS))["filesystems"]
    places = [item["target"] for item in found if "rw" in item["options"].split(",")]
    places = [place for place in places if not is_within(place, _PASSING)]
    # A file may go while find looks at it.
    said = ssh(machine, f"sudo find {shlex.join(places)} -xdev ! -type d -newercm {_MARK} || true")
    return said.splitlines()


def test_whole_mail_run_changes_state_alone(own: Machine, subject: Subject) -> None:
    """Mails of each kind, logins, nightly jobs: no file changes that is in no room's STATE."""
    ssh(own, f"sudo touch {_MARK}")
    acceptance.run(subject, lambda _promise, _seen: None)
    assert chain.outcomes(own, subject) == chain.OUTCOMES
    jobs = "spam-bayes spam-learn postolka-deleted-mail systemd-tmpfiles-clean"
    ssh(own, f"sudo systemctl start {' '.join(f'{job}.service' for job in jobs.split())}")
    changed = _changed(own)
    state = [item.path for room in server.all_rooms() for item in room.state]
    assert [path for path in changed if not is_within(path, [*state, *_PASSING])] == []
    # It did look.
    assert any(path.startswith("/var/vmail/") for path in changed)


def test_etc_cannot_be_written(own: Machine) -> None:
    """By root neither, be it the image's or what is rendered at boot."""
    for directory in ("/etc", "/etc/systemd/system", "/etc/postfix", "/etc/dovecot", "/usr/bin"):
        said = ssh(own, f"sudo touch {directory}/planted 2>&1 || true")
        assert "Read-only file system" in said, directory


def test_planted_file_is_gone_after_a_reboot(own: Machine, subject: Subject) -> None:
    """What root put beside rendered files, where they can be written; mail flows again."""
    ssh(own, f"echo 'mydestination = all' | sudo tee {_PLANTED}")
    assert ssh(own, "cat /etc/postfix/planted") == "mydestination = all\n"
    assert reboot(own).word == "ready"
    assert ssh(own, "ls /etc/postfix/planted 2>&1 || true").startswith("ls: cannot access")
    assert acceptance.receive(subject)


def test_planted_file_is_gone_with_the_next_apply(own: Machine) -> None:
    """It leaves what the data come to, and nothing else."""
    ssh(own, f"echo x | sudo tee {_PLANTED}; sudo postolka-instance apply")
    assert ssh(own, "ls /etc/postfix/planted 2>&1 || true").startswith("ls: cannot access")
