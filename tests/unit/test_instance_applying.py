"""New data for a machine that runs: refused ones leave it as it was, whatever they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from postolka.errors import PostolkaError
from postolka.instance import agent, applying, status
from postolka.instance.parse import parse
from postolka.instance.status import Status
from pyinfra_deploys import room, server
from tests.unit import instances
from tests.unit.agentroot import Recorder, make, offer, tree

if TYPE_CHECKING:
    from pathlib import Path

    from postolka.instance.paths import Paths


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """Return a machine that runs on data with the serial 5."""
    paths = make(tmp_path / "root")
    offer(paths, instances.dumped(instances.data(serial=5)))
    agent.boot(paths, Recorder())
    return paths


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"serial": 6, "hostname": "-"}, "hostname"),
        ({"serial": 5, "hostname": "mx.example.test"}, "serial: 5 isn't above 5"),
        ({"serial": None}, "serial: none isn't above 5"),
        ({"serial": 4}, "hint: if these data are newer, write 6 there, or say --force, which does"),
        ({"serial": 6, "hostname": "forbidden.example.test"}, "forbidden.example.test: wrong"),
    ],
    ids=["wrong", "equal", "none", "older", "a checker's"],
)
def test_refused_data_change_nothing(paths: Paths, changes: dict[str, object], words: str) -> None:
    """Neither a file nor a daemon hears of them."""
    before = tree(paths.root)
    system = Recorder()
    with pytest.raises(PostolkaError) as caught:
        applying.apply(paths, system, instances.dumped(instances.data(**changes)), where="new data")
    assert words in str(caught.value)
    assert tree(paths.root) == before
    assert (system.told, system.hostname, system.flows) == ([], "", "")


def test_every_rendered_file_has_a_reader() -> None:
    """Or a daemon would go on with what it read before."""
    rooms = server.all_rooms()
    places = [place for facts in rooms for reader in facts.readers for place in reader.files]
    files = [path for facts in rooms for path, _, _ in room.instance_files(facts)]
    assert [
        path
        for path in files
        if not any(path == place or path.startswith(f"{place}/") for place in places)
    ] == []
    units = {unit.name for facts in rooms for unit in facts.units}
    assert {reader.unit for facts in rooms for reader in facts.readers} - units == {""}


@pytest.mark.parametrize("serial", [3, None], ids=["older", "none"])
def test_old_data_can_be_wanted(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, serial: int | None
) -> None:
    """They get a serial above the machine's, so that they outlive a boot, too."""
    monkeypatch.setattr(applying, "_settle", lambda *_: [])
    monkeypatch.setattr(status, "read", _no_units)
    given = instances.dumped(instances.data(serial=serial, hostname="old.example.test"))
    done = applying.apply(paths, Recorder(), given, where="old data", is_forced=True)
    kept = parse(paths.kept.read_bytes())
    assert done.serial == kept.serial > 5
    assert kept.hostname == "old.example.test"
    assert agent.boot(paths, Recorder()).data == "older"


def _no_units(_: Paths) -> Status:
    return Status(state="ready", report={}, units=(), ports=(), image={})
