"""`postolka diff` and `why` of real images."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from postolka import build, cli, diff, home
from postolka.store import Store
from tests import checkouts
from tests.image import homes
from tests.image.conftest import say

if TYPE_CHECKING:
    from pathlib import Path

    from postolka.build import Built
    from postolka.debs import Debs
    from postolka.lock import Lock
    from postolka.tools import Tools


@pytest.fixture(name="own_home")
def _own_home(tmp_path: Path, debs: Debs, built: Built, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a home with the machine's packages and layers, and no root of an image."""
    assert built.path.exists()
    homes.fill(tmp_path / "home", debs, (*homes.COSTLY, "configured"))
    monkeypatch.setenv("POSTOLKA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_labels_are_those_of_libselinux(built: Built, toolbox: Tools) -> None:
    """For files of every kind of place, as matchpathcon(8) looks them up."""
    found = diff._read_labels(built)
    root = diff._root(Store(home.store()), built)
    modes = {path: int(str(entry[1])) for path, entry in root.items()}
    plain = [path for path in sorted(modes) if path.isascii() and " " not in path]
    chosen = [path for path in plain[:: max(1, len(plain) // 800)] if path != "/"]
    policy = diff._policy(built) / "etc/selinux/default/contexts/files"
    for kind, name in ((0o040000, "dir"), (0o100000, "file"), (0o120000, "symlink")):
        paths = [path for path in chosen if modes[path] & 0o170000 == kind]
        assert paths
        argv = ["matchpathcon", "-n", "-f", "/contexts/file_contexts", "-m", name, *paths]
        # It answers for every path, and says so on standard output where there is no label.
        said = toolbox.run(argv, binds={"/contexts": policy}).decode().splitlines()
        ours = [found.of(path, modes[path]) or "<<none>>" for path in paths]
        assert ours == said


def test_the_policy_can_be_read(built: Built) -> None:
    """As the statements that it was compiled from."""
    text = diff._statements(built).splitlines()
    assert len(text) > 10000
    assert any(line.startswith("allow postfix_smtp_t ") for line in text)


@pytest.mark.soak
def test_a_changed_template_and_setting_are_told(
    own_home: Path, locked: Lock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exactly what they change: by `diff` the files and the port, by `why` the inputs."""
    assert own_home.is_dir()
    checkout = checkouts.copy(tmp_path / "checkout", locked)
    first = build.realise(checkout, want="root", progress=say)
    with (checkout / "pyinfra_deploys/postfix/rootfs/etc/postfix/master.cf.j2").open("a") as file:
        file.write("# Changed.\n")
    with (checkout / "group_data/all.py").open("a") as file:
        file.write("dovecot_managesieve = False\n")
    last = build.realise(checkout, want="root", progress=say)
    capsys.readouterr()
    assert cli.main(["diff", str(first.path), str(last.path), "--json"]) == 3
    found = json.loads(capsys.readouterr().out)
    paths = [row["path"] for row in found["files"]]
    assert "/etc/postfix/master.cf" in paths
    assert len(paths) < 20
    assert [row["number"] for row in found["ports"]["removed"]] == [4190]
    assert found["packages"] == found["labels"] == found["rules"]["added"] == []
    assert cli.main(["why", str(first.path), str(last.path), "--json"]) == 3
    changes = json.loads(capsys.readouterr().out)["changes"]
    told = {change["name"]: (change["a"], change["b"]) for change in changes}
    assert told["dovecot.managesieve"] == ("True", "False")
    assert "pyinfra_deploys/postfix/rootfs/etc/postfix/master.cf.j2" in told
