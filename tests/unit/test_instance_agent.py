"""The agent: a machine is wholly configured from one copy of good data, or not at all."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from postolka.errors import PostolkaError
from postolka.instance import agent
from tests.unit import instances
from tests.unit.agentroot import Recorder, make, offer, tree

if TYPE_CHECKING:
    from postolka.instance.paths import Paths

_CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """Return a machine that was never configured."""
    return make(tmp_path / "root")


def changed(**changes: object) -> bytes:
    """Return good data with some fields replaced."""
    return instances.dumped(instances.data(**changes))


def test_good_data_configure_the_machine(paths: Paths) -> None:
    """Rendered files lie on the image's, both are mounted over /etc, and the gate opens."""
    offer(paths, instances.yaml_data())
    system = Recorder()
    report = agent.boot(paths, system)
    assert (report.data, report.problems) == ("good", ())
    assert paths.kept.read_bytes() == instances.yaml_data()
    assert paths.kept.stat().st_mode & 0o777 == 0o600
    assert paths.configured.exists()
    assert system.hostname == "mail.example.test"
    etc = tree(paths.etc)
    assert etc["postfix/main.cf"] == (0o100640, b"myhostname = mail.example.test\n")
    assert etc["postfix/dir/deep"][1] == b"baked\n"
    assert etc["postfix/link"][1] == b"master.cf"
    assert etc["mailname"][1] == b"example.test 5\n"
    assert set(system.bound) == {
        paths.root / "etc" / top for top in ("bind", "postfix", "postolka")
    }
    assert json.loads(paths.report.read_text())["hostname"] == "mail.example.test"


def test_data_for_another_kind_of_image_are_refused(paths: Paths) -> None:
    """Those of a server without mailboxes, in an image that has them."""
    relay = {"host": "inside.test", "port": 25, "destinations": ["example.test"]}
    offer(paths, changed(database=None, accounts=None, relays=[relay]))
    report = agent.boot(paths, Recorder())
    assert report.data == "refused"
    (problem,) = report.problems
    assert str(problem) == "database: the image has mailboxes, which need one"
    assert not paths.configured.exists()


def test_database_elsewhere_is_noted_and_let_through(paths: Paths) -> None:
    """Its port for the firewall, its authority for the daemons, and a note for the local one."""
    values = instances.data()
    elsewhere = {"host": "db.test", "port": 3316, "ca_certificate": instances.certificate()}
    offer(paths, instances.dumped({**values, "database": {**values["database"], **elsewhere}}))
    system = Recorder()
    assert agent.boot(paths, system).problems == ()
    assert system.flows == "db.test 3316"
    assert paths.elsewhere.read_text() == "db.test\n"
    assert paths.database_ca.read_text().startswith("-----BEGIN CERTIFICATE-----\n")
    offer(paths, instances.dumped({**values, "serial": values["serial"] + 1}))
    system = Recorder()
    agent.boot(paths, system)
    assert system.flows == " 3306"
    assert not paths.elsewhere.exists()


def test_no_firewall_no_daemon(paths: Paths) -> None:
    """Where the rules can't be told what the data name, the gate stays shut."""

    class Open(Recorder):
        def load_flows(self, rules: str) -> None:
            raise PostolkaError("nft", rules)

    offer(paths, instances.yaml_data())
    with pytest.raises(PostolkaError, match="nft"):
        agent.boot(paths, Open())
    assert not paths.configured.exists()
    agent.boot(paths, Recorder())
    assert paths.configured.exists()


def test_second_run_changes_nothing(paths: Paths) -> None:
    """The same data give the same bytes, and no file is even written again."""
    offer(paths, instances.yaml_data())
    system = Recorder()
    agent.boot(paths, system)
    before = {path: path.lstat() for path in paths.root.rglob("*") if not path.is_dir()}
    agent.boot(paths, system)
    after = {path: path.lstat() for path in paths.root.rglob("*") if not path.is_dir()}
    assert {path: found.st_ino for path, found in before.items()} == {
        path: found.st_ino for path, found in after.items()
    }


def test_new_data_change_the_instance(paths: Paths) -> None:
    """They replace the kept ones; the machine's own secrets stay."""
    offer(paths, instances.yaml_data())
    agent.boot(paths, Recorder())
    secret = (paths.etc / "bind/rndc.key").read_text()
    offer(paths, changed(hostname="mx.example.test"))
    assert agent.boot(paths, Recorder()).data == "good"
    assert "mx.example.test" in (paths.etc / "postfix/main.cf").read_text()
    assert b"mx.example.test" in paths.kept.read_bytes()
    assert (paths.etc / "bind/rndc.key").read_text() == secret


def test_machine_without_data_stays_shut(paths: Paths) -> None:
    """No gate, nothing mounted, and the report says what is missing."""
    system = Recorder()
    report = agent.boot(paths, system)
    assert report.data == "missing"
    assert "none" in report.problems[0].text
    assert not paths.configured.exists()
    assert system.bound == {}


def test_first_data_that_are_wrong_leave_it_shut(paths: Paths) -> None:
    """Every problem is in the report, and nothing of them is kept."""
    offer(paths, changed(hostname="a b", serial=0))
    report = agent.boot(paths, Recorder())
    assert report.data == "refused"
    assert [problem.path for problem in report.problems] == ["hostname", "serial"]
    assert not paths.configured.exists()
    assert not paths.kept.exists()


@pytest.mark.parametrize(
    ("parts", "data", "path"),
    [
        ([], "kept", None),
        ([changed(hostname="a b")], "refused", "hostname"),
        ([b"\0"], "refused", "document"),
        ([changed(serial=4)], "older", None),
        ([changed(serial=None)], "older", None),
        ([changed(serial=6), changed(serial=7)], "refused", "user-data"),
    ],
    ids=["none", "wrong", "unreadable", "older", "without serial", "two"],
)
def test_last_good_data_keep_serving(
    paths: Paths, parts: list[bytes], data: str, path: str | None
) -> None:
    """Whatever the platform gives later: the machine goes on, and the report says why."""
    offer(paths, changed(serial=5))
    agent.boot(paths, Recorder())
    before = tree(paths.etc), paths.kept.read_bytes()
    shutil.rmtree(paths.run)
    offer(paths, *parts)
    report = agent.boot(paths, Recorder())
    assert report.data == data
    assert [problem.path for problem in report.problems] == ([path] if path else [])
    # Nothing is wrong with that: somebody changed the machine, and not yet the platform.
    warned = [warning.path for warning in report.warnings]
    assert warned == (["serial"] if data == "older" else [])
    assert (tree(paths.etc), paths.kept.read_bytes()) == before
    assert paths.configured.exists()


def test_equal_serial_with_other_content_is_taken(paths: Paths) -> None:
    """A change that somebody forgot to number is still a change."""
    offer(paths, changed(serial=5))
    agent.boot(paths, Recorder())
    offer(paths, changed(serial=5, hostname="mx.example.test"))
    assert agent.boot(paths, Recorder()).data == "good"
    assert b"mx.example.test" in paths.kept.read_bytes()


def test_broken_own_copy_gives_way_to_good_new_data(paths: Paths) -> None:
    """What an image can't read any more (or a disk has eaten) is replaced."""
    paths.kept.parent.mkdir(parents=True)
    paths.kept.write_bytes(b"format: 99")
    assert agent.boot(paths, Recorder()).data == "missing"
    offer(paths, instances.yaml_data())
    report = agent.boot(paths, Recorder())
    assert (report.data, report.problems) == ("good", ())


def test_data_that_no_template_takes_are_not_kept(paths: Paths) -> None:
    """A template that fails with new data leaves the machine on its last good ones."""
    template = paths.templates / "etc/mailname.j2"
    template.write_text("{{ 1 // (instance.serial - 6) }}\n")
    offer(paths, changed(serial=5))
    agent.boot(paths, Recorder())
    offer(paths, changed(serial=6))
    report = agent.boot(paths, Recorder())
    assert report.data == "refused"
    assert report.problems[0].path == "/etc/mailname"
    assert report.instance
    assert report.instance.serial == 5
    assert paths.configured.exists()


def test_what_was_planted_in_a_rendered_directory_goes(paths: Paths) -> None:
    """Files, directories and links that are neither the image's nor rendered are removed."""
    offer(paths, instances.yaml_data())
    system = Recorder()
    agent.boot(paths, system)
    before = tree(paths.etc)
    directory = paths.etc / "postfix"
    (directory / "planted").mkdir()
    (directory / "planted/file").write_text("x")
    (directory / "link2").symlink_to("/etc/passwd")
    (directory / "main.cf").unlink()
    (directory / "main.cf").symlink_to("/etc/passwd")
    (directory / "master.cf").chmod(0o777)
    (directory / "dir/deep").unlink()
    (directory / "dir/deep").mkdir()
    agent.boot(paths, system)
    assert tree(paths.etc) == before


def test_foreign_manifest_is_refused(paths: Paths) -> None:
    """An agent doesn't guess at a manifest of another form."""
    paths.house.write_text('{"format": 2}')
    with pytest.raises(PostolkaError, match="format"):
        agent.boot(paths, Recorder())


def _boot(root: Path, stop: int = 0) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "tests.unit.agentroot", str(root), str(stop or "")]
    return subprocess.run(argv, cwd=_CHECKOUT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> int:
    """Return how many steps a first boot takes."""
    paths = make(tmp_path_factory.mktemp("count") / "root")
    offer(paths, instances.yaml_data())
    return int(_boot(paths.root).stdout)


@pytest.mark.parametrize("tenth", range(10))
def test_next_boot_finishes_one_that_was_killed(paths: Paths, events: int, tenth: int) -> None:
    """Killed at any of ten points: the next boot ends where an undisturbed one does."""
    offer(paths, instances.yaml_data())
    stop = 1 + tenth * (events - 1) // 9
    assert _boot(paths.root, stop).returncode == -9
    kept = paths.kept.read_bytes() if paths.kept.exists() else instances.yaml_data()
    assert kept == instances.yaml_data()
    shutil.rmtree(paths.run)  # a tmpfs
    # The platform may be silent then: what was kept must do, where anything was.
    offer(paths, *([] if paths.kept.exists() else [instances.yaml_data()]))
    report = agent.boot(paths, Recorder())
    assert report.data in ("good", "kept")
    secret = (paths.secrets / "rndc_key").read_text().strip()
    assert len(secret) == 44
    assert secret in (paths.etc / "bind/rndc.key").read_text()
    assert "mail.example.test" in (paths.etc / "postfix/main.cf").read_text()
    leftovers = [path.name for path in paths.root.rglob(".*.new") if path.is_relative_to(paths.run)]
    assert leftovers == []
