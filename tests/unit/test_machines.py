"""The register of machines."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from postolka import machines
from postolka.errors import PostolkaError
from postolka.machines import Machine
from postolka.processes import Process, spawn, wait_for_end

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def register(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty register."""
    monkeypatch.setenv("POSTOLKA_HOME", str(tmp_path))
    return tmp_path / "machines"


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """Return a process with a child of its own."""
    argv = ["sh", "-c", "sleep 600 & wait"]
    with subprocess.Popen(argv) as process:
        while not Process.of(process.pid).descendants():
            time.sleep(0.01)
        tree = [Process.of(process.pid), *Process.of(process.pid).descendants()]
        yield process
        for left in tree:
            left.send(signal.SIGKILL)


def _machine(name: str, pid: int) -> Machine:
    return Machine(
        name=name,
        kind="container",
        id="a" * 32,
        processes=(Process.of(pid),),
        ports={22: 2222, 25: 2525},
        key=Path("/k"),
        console=Path("/c"),
    )


def test_what_json_prints_is_the_contract() -> None:
    """The fields that scripts read, ports as strings."""
    assert _machine("one", os.getpid()).public() == {
        "name": "one",
        "id": "a" * 32,
        "host": "127.0.0.1",
        "ports": {"22": 2222, "25": 2525},
        "ssh": {"user": "admin", "port": 2222, "key": "/k"},
        "console": "/c",
    }


def test_saved_machine_is_loaded_again() -> None:
    """A record holds everything."""
    with machines.starting("container", "one"):
        machines.save(_machine("one", os.getpid()))
    assert machines.load("one") == _machine("one", os.getpid())
    assert machines.running() == [_machine("one", os.getpid())]


def test_names_are_the_first_free_ones() -> None:
    """Without a name a machine gets its kind and a number."""
    with machines.starting("vm") as first, machines.starting("vm") as second:
        assert (first.name, second.name) == ("vm-1", "vm-2")
        machines.save(_machine("vm-1", os.getpid()))
        machines.save(_machine("vm-2", os.getpid()))


def test_taken_name_is_refused() -> None:
    """Two machines never share a directory, and the hint says what to do."""
    with machines.starting("vm", "one"):
        with (
            pytest.raises(PostolkaError, match=r"one: .*running\nhint: postolka vm stop one"),
            machines.starting("vm", "one"),
        ):
            pass
        machines.save(_machine("one", os.getpid()))


@pytest.mark.parametrize("name", ["../x", "A", "", "-x", "a" * 32, "a.b"])
def test_bad_name_is_refused(name: str) -> None:
    """A name can't leave the register."""
    with pytest.raises(PostolkaError), machines.starting("vm", name):
        pass


def test_failed_start_leaves_nothing(register: Path, sleeper: subprocess.Popen[bytes]) -> None:
    """The processes recorded meanwhile are dead, their children too, and the directory is gone."""
    child = Process.of(sleeper.pid).descendants()[0]

    def start() -> None:
        with machines.starting("vm", "one"):
            machines.save(_machine("one", sleeper.pid))
            raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        start()
    assert not child.is_alive
    assert sleeper.wait() == -signal.SIGTERM
    assert not (register / "one").exists()


def test_killed_start_is_cleaned_up(register: Path) -> None:
    """A start that died without a chance leaves a directory that the next command removes."""
    code = (
        "import os, signal\nfrom postolka import machines\n"
        "with machines.starting('vm', 'one'): os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    assert (register / "one").exists()
    assert machines.running() == []
    assert not (register / "one").exists()


def test_ended_machine_is_forgotten(sleeper: subprocess.Popen[bytes]) -> None:
    """A record whose process has ended is stale, even if its number is in use again."""
    with machines.starting("container", "one"):
        machines.save(_machine("one", sleeper.pid))
    sleeper.kill()
    sleeper.wait()
    with pytest.raises(PostolkaError, match="no such machine"):
        machines.stop("two")
    assert machines.running() == []
    recycled = Process(os.getpid(), Process.of(1).start)
    assert not recycled.is_alive


def test_stop_ends_the_whole_tree(register: Path, sleeper: subprocess.Popen[bytes]) -> None:
    """A process that ignores SIGTERM is killed with its children."""
    with machines.starting("container", "one"):
        machines.save(_machine("one", sleeper.pid))
    tree = [Process.of(sleeper.pid), *Process.of(sleeper.pid).descendants()]
    machines.stop("one", timeout_seconds=0.2)
    assert wait_for_end(tree, 1)
    assert not (register / "one").exists()


def test_sigterm_interrupts_a_start(register: Path) -> None:
    """A terminated command cleans up as an interrupted one does."""
    code = (
        "import time\nfrom postolka import machines\n"
        "with machines.starting('vm', 'one'):\n print('up', flush=True)\n time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=-3) as start:
        assert start.stdout
        start.stdout.readline()
        start.send_signal(signal.SIGTERM)
        assert start.wait(10) != 0
    assert not (register / "one").exists()


def test_spawned_process_holds_nothing_of_ours(tmp_path: Path) -> None:
    """A machine that outlives `flock FILE postolka vm run` doesn't keep the lock."""
    with (tmp_path / "lock").open("w") as lock:
        os.set_inheritable(lock.fileno(), True)  # noqa: FBT003 - os's own
        process = spawn(["/bin/sh", "-c", "ls -l /proc/self/fd; echo end"], tmp_path / "log")
        assert wait_for_end([process], 10)
    log = (tmp_path / "log").read_text()
    assert log.endswith("end\n")
    assert str(tmp_path / "lock") not in log
