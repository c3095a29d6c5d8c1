"""The image in virtual machines, in a lab and a register of machines that are the tests' own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from postolka import build, console, home, vm
from postolka.lab import client
from tests import started
from tests.container.conftest import Instance, tcp_ports

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from postolka.build import Built
    from postolka.lab.client import Lab
    from postolka.machines import Machine

MEMORY_MIB = 1024
#: Two, emulated beside other work, wait for each other's locks half of the time.
CPUS = 1
#: An emulated machine beside other work.
BOOT_SECONDS = 900
#: A command there, such as an order of certificates.
_ANSWER_SECONDS = 900
_MARK = "\x1e"


@pytest.fixture(scope="session")
def built() -> Built:
    """Return the checkout's image, built if the store hasn't got it."""
    return build.realise(want="disk", progress=print, temporary_lock=True)


@pytest.fixture(scope="package", autouse=True)
def own_home(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep what runs apart from the machines and labs of whoever works here; share the rest."""
    own = tmp_path_factory.mktemp("home")
    assert built.path.exists()
    for name in ("debs", "kvm", "locks", "store"):
        if (home.home() / name).exists():
            (own / name).symlink_to((home.home() / name).resolve())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSTOLKA_HOME", str(own))
        yield own


@pytest.fixture(scope="package")
def lab(own_home: Path) -> Iterator[Lab]:
    """Start the lab of that register, the one that `vm run --lab` joins."""
    assert home.home() == own_home
    with client.start(progress=print) as lab:
        yield lab


@dataclass(frozen=True, slots=True, kw_only=True)
class Boots:
    """Boots virtual machines of this checkout's image in the lab."""

    built: Built
    lab: Lab

    def request(self, instance: Instance, name: str, state: Path) -> vm.Request:
        """Return what to boot: an instance's machine, on the disk in `state`."""
        assert self.built.disk
        return vm.Request(
            disk=self.built.disk,
            id=self.built.id,
            name=name,
            user_data=instance.user_data,
            zone=instance.zone,
            lab=self.lab.name,
            state=state,
            ports=tcp_ports(),
            memory_mib=MEMORY_MIB,
            cpus=CPUS,
        )


@pytest.fixture(scope="package")
def boots(built: Built, lab: Lab) -> Boots:
    """Return what boots machines."""
    return Boots(built=built, lab=lab)


def running(request: vm.Request) -> contextlib.AbstractContextManager[Machine]:
    """Start a machine whatever it will report, and shut it down at the end."""
    return started.running("vm", vm.start, request)


def await_state(machine: Machine, offset: int = 0) -> console.State:
    """Return what the machine reports on its console after byte `offset`."""
    return started.await_state(machine, offset, timeout_seconds=BOOT_SECONDS)


def reboot(machine: Machine) -> console.State:
    """Reboot from the inside and return what the machine reports afterwards."""
    return started.reboot(machine, timeout_seconds=BOOT_SECONDS)


def ask(machine: Machine, questions: Mapping[str, str]) -> dict[str, str]:
    """Return what each shell command prints, run as root; one login for all of them."""
    script = "".join(
        f"printf '{_MARK}{name}\\n'\n{{ {line}\n}} 2>&1\n" for name, line in questions.items()
    )
    done = subprocess.run(
        [*machine.ssh(), "sudo sh"],
        input=script,
        capture_output=True,
        text=True,
        check=True,
        timeout=_ANSWER_SECONDS,
    )
    parts = (part.partition("\n") for part in done.stdout.split(_MARK)[1:])
    return {name: text.strip() for name, _, text in parts}


def command(*words: str) -> subprocess.CompletedProcess[str]:
    """Run `postolka` with these words, as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "postolka", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(home.CHECKOUT)},
    )
