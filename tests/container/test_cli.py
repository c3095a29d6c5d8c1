"""`postolka container` as a script uses it: what it prints, and what it leaves."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from postolka import home, machines
from tests import started
from tests.container.conftest import Instance, new_instance, tcp_ports

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postolka.build import Built

_SECONDS = 180


# Each boots a machine of its own, as every test does without the command.
pytestmark = pytest.mark.soak


@pytest.fixture(autouse=True)
def _own_home(built: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the commands see this run's image, and no machine or lab but their own."""
    assert built.path.exists()
    own = tmp_path / "home"
    own.mkdir()
    # A lock that stands in for one whose packages have left the mirror is among them.
    for path in (home.store(), home.debs(), home.home() / "locks"):
        (own / path.name).symlink_to(path)
    monkeypatch.setenv("POSTOLKA_HOME", str(own))
    yield
    for machine in machines.running():
        started.drop(machine.name)


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    """Return an instance that nobody else runs."""
    return new_instance(tmp_path / "files", domain="cli.test")


def _postolka(*words: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "postolka", *words],
        cwd=home.CHECKOUT,
        env={**os.environ, "PYTHONPATH": str(home.CHECKOUT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == status, done.stderr
    return done


def _run(built: Built, instance: Instance, *words: str) -> subprocess.CompletedProcess[str]:
    user_data = str(instance.directory / "user-data")
    return _postolka("container", "run", built.id, "--user-data", user_data, *words)


def test_a_script_gets_all_it_needs_as_json(built: Built, instance: Instance) -> None:
    """The JSON is all there is on standard output; the machine is ready, and stays up."""
    done = _run(built, instance, "--lab", "--detach", "--json", "--name", "script")
    found = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1
    assert set(found) == {"name", "id", "host", "ports", "ssh", "console"}
    assert (found["name"], found["id"], found["host"]) == ("script", built.id, "127.0.0.1")
    assert set(found["ports"]) == set(map(str, tcp_ports()))
    assert found["ssh"]["port"] == found["ports"]["22"]
    for path in (found["console"], found["ssh"]["key"]):
        assert Path(path).is_absolute()
        assert Path(path).is_file()
    assert "postolka: ready mail.cli.test" in Path(found["console"]).read_text(errors="replace")
    assert "[  OK  ]" not in done.stderr
    with socket.create_connection((found["host"], found["ports"]["25"]), 30) as client:
        # postscreen's first line, after which a mail server waits for the next one.
        assert client.recv(100).startswith(b"220-mail.cli.test ")
    login = ["ssh", "-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"]
    login += ["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
    login += ["-i", found["ssh"]["key"], "-p", str(found["ssh"]["port"])]
    login += [f"{found['ssh']['user']}@{found['host']}", "sudo id -un"]
    assert subprocess.run(login, capture_output=True, check=True).stdout == b"root\n"


def test_a_running_machine_is_listed_entered_watched_and_stopped(
    built: Built, instance: Instance
) -> None:
    """By its name; without --detach the console is shown while it boots."""
    done = _run(built, instance)
    name = done.stdout.strip()
    assert name == "container-1"
    assert "postolka: ready mail.cli.test" in done.stderr
    assert f"stop it: postolka container stop {name}" in done.stderr
    (listed,) = json.loads(_postolka("container", "list", "--json").stdout)
    assert listed["name"] == name
    assert _postolka("container", "list").stdout.startswith(f"{name}\t{built.id[:12]}\t-\t22->")
    assert _postolka("vm", "list").stdout == ""
    assert _postolka("container", "ssh", name, "hostname", "-f").stdout == "mail.cli.test\n"
    _postolka("container", "ssh", name, "exit 7", status=7)
    shown = _postolka("container", "console", name, "--no-follow").stdout
    assert "postolka: ready mail.cli.test" in shown
    assert "\x1b" not in shown
    said = _postolka("vm", "stop", name, status=1).stderr
    assert f"postolka: {name}: is a container\nhint: postolka container stop {name}" in said
    assert "is running" in _postolka("container", "run", "--name", name, status=1).stderr
    _postolka("container", "stop", name)
    assert _postolka("container", "list").stdout == ""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((listed["host"], listed["ports"]["22"]))


def test_a_machine_without_data_waits_for_them(built: Built) -> None:
    """That is what it is asked for: exit code 0, and a way in."""
    done = _postolka("container", "run", built.id, "--json")
    name = json.loads(done.stdout)["name"]
    assert "postolka: waiting for instance data" in done.stderr
    assert (
        "none yet"
        in _postolka("container", "ssh", name, "sudo postolka-instance status; true").stdout
    )


def test_a_machine_with_bad_data_is_a_failure_and_leaves_nothing(
    built: Built, instance: Instance
) -> None:
    """Exit code 1, every problem, nothing on standard output, nothing running."""
    file = instance.directory / "user-data"
    text = file.read_text().replace("algorithm: rsa", "algorithm: rot13")
    file.write_text(text.replace("hostname: ", "hostname: -"))
    words = ("container", "run", built.id, "--lab", "--json", "--name", "bad")
    done = _postolka(*words, "--user-data", str(file), status=1)
    assert done.stdout == ""
    error = done.stderr[done.stderr.rindex("postolka: bad: ") :]
    assert "the machine reports: waiting" in error
    assert "\n  hostname: " in error
    assert "].algorithm: " in error
    assert [machine.name for machine in machines.running("container")] == []
    assert not machines.directory("bad").exists()
