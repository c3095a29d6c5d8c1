"""New data for a machine that runs: refused ones leave it as it was, whatever they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from postolka.errors import PostolkaError
from postolka.instance import agent, applying
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
        ({"serial": 4}, "hint: write 6 if these data are newer"),
        ({"serial": 6, "hostname": "forbidden.example.test"}, "forbidden.example.test: wrong"),
    ],
    ids=["wrong", "equal", "older", "a checker's"],
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
