"""`postolka why`: the inputs of an image as a tree, and what differs between two."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest

from postolka import cli
from postolka.generation import MANIFEST, NAMES
from postolka.papers import INPUTS
from postolka.store import Store, digest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TOLD: dict[str, Any] = {
    "format": 1,
    "lock": {
        "source_date_epoch": 1,
        "suites": [{"suite": "trixie", "date": "2026-01-31T12:00:00Z"}],
        "packages": [
            {"name": "postfix", "version": "3.10.4-1", "sha256": "a" * 64, "sets": ["image"]},
            {"name": "erofs-utils", "version": "1.8", "sha256": "b" * 64, "sets": ["tools"]},
        ],
    },
    "settings": {"postfix": {"message_mib": 50}},
    "files": {
        "group_data/all.py": "1",
        "postolka/layers/image.py": "2",
        "postolka/instance/model.py": "3",
        "pyinfra_deploys/server.py": "4",
        "pyinfra_deploys/postfix/rootfs/etc/postfix/master.cf.j2": "5",
        "pyinfra_deploys/postfix/policy.cil": "6",
    },
    "operations": [["postfix: files", "7"], ["postfix: files", "8"]],
    "ports": [],
    "egress": [],
    "units": [],
    "revision": None,
}
HASHES = {"lock": "1", "plan": "2", "policies": "3", "recipe": "4", "format": "3"}


def make_image(
    store: Store, told: dict[str, Any], inputs: dict[str, str], paths: tuple[str, ...] = ()
) -> Path:
    """Make a finished image that tells these inputs."""
    image_id = digest(["image", inputs])

    def make(path: Path) -> None:
        path.mkdir()
        manifest = {"id": image_id, "inputs": inputs, "root_layers": [], "paths": list(paths)}
        (path / MANIFEST).write_text(json.dumps(manifest))
        (path / INPUTS).write_text(json.dumps(told))

    return store.realise(NAMES["disk"], image_id, make)


@pytest.fixture(name="store")
def _store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("POSTOLKA_HOME", str(tmp_path / "home"))
    return Store(tmp_path / "home/store")


def test_the_tree_reaches_every_input(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """Packages, dates, settings, each room's files, policies, recipe and layers."""
    image = make_image(store, TOLD, HASHES, ("0123-packages",))
    assert cli.main(["why", str(image), "--all"]) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[0] == f"image {digest(['image', HASHES])}"
    for words in (
        "packages of image",
        "postfix  3.10.4-1",
        "trixie  2026-01-31",
        "room postfix",
        "pyinfra_deploys/postfix/rootfs/etc/postfix/master.cf.j2",
        "postfix.message_mib  50",
        "postfix: files (2)",
        "postolka/layers/image.py",
        "format  3",
        "packages  0123",
    ):
        assert words in said
    assert cli.main(["why", str(image)]) == 0
    short = capsys.readouterr().out
    assert "room postfix" in short
    assert "master.cf" not in short


def test_the_tree_as_json(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """Nodes with name, value and children; the inputs with the hashes that the id is over."""
    image = make_image(store, TOLD, HASHES)
    assert cli.main(["why", "--json", str(image)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {node["name"]: node["value"] for node in told["children"][:-1]} == HASHES
    assert told["children"][-1]["name"] == "layers"


def _package(told: dict[str, Any]) -> None:
    told["lock"]["packages"][0]["version"] = "3.10.5-1"


def _setting(told: dict[str, Any]) -> None:
    told["settings"]["postfix"]["message_mib"] = 60


def _template(told: dict[str, Any]) -> None:
    told["files"]["pyinfra_deploys/postfix/rootfs/etc/postfix/master.cf.j2"] = "x"


def _policy(told: dict[str, Any]) -> None:
    told["files"]["pyinfra_deploys/postfix/policy.cil"] = "x"


def _recipe(told: dict[str, Any]) -> None:
    del told["files"]["postolka/layers/image.py"]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (_package, ("lock", "packages of image", "postfix")),
        (_setting, ("plan", "settings", "postfix.message_mib")),
        (
            _template,
            (
                "plan",
                "room postfix",
                "pyinfra_deploys/postfix/rootfs/etc/postfix/master.cf.j2",
            ),
        ),
        (_policy, ("policies", "files", "pyinfra_deploys/postfix/policy.cil")),
        (_recipe, ("recipe", "files", "postolka/layers/image.py")),
    ],
)
def test_the_changed_input_is_named(
    store: Store,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[dict[str, Any]], None],
    where: tuple[str, str, str],
) -> None:
    """One change, one line; exit code 3."""
    name, _, leaf = where
    told = copy.deepcopy(TOLD)
    change(told)
    first = make_image(store, TOLD, HASHES, ("1-tools", "2-disk"))
    last = make_image(store, told, {**HASHES, name: "x"}, ("1-tools", "3-disk"))
    assert cli.main(["why", str(first), str(last), "--json"]) == 3
    found = json.loads(capsys.readouterr().out)
    assert found["inputs"] == [name]
    (one,) = found["changes"]
    assert (one["input"], one["group"], one["name"]) == where
    assert one["a"] != one["b"]
    assert found["layers"] == {"shared": ["1-tools"], "a": ["2-disk"], "b": ["3-disk"]}
    assert cli.main(["why", str(first), str(last)]) == 3
    assert f"      {leaf}: " in capsys.readouterr().out


def test_what_did_not_reach_the_image_is_not_told(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another comment in a room's code is no reason, where the plan is the same."""
    told = copy.deepcopy(TOLD)
    _template(told)
    first = make_image(store, TOLD, HASHES)
    last = make_image(store, told, {**HASHES, "format": "4"})
    assert cli.main(["why", str(first), str(last), "--json"]) == 3
    found = json.loads(capsys.readouterr().out)
    assert found["inputs"] == ["format"]
    assert found["changes"] == []


def test_one_image_does_not_differ_from_itself(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 0."""
    image = make_image(store, TOLD, HASHES)
    assert cli.main(["why", str(image), str(image)]) == 0
    assert "the same image" in capsys.readouterr().out


def test_an_image_without_told_inputs_is_an_error(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """One of an earlier version, a broken one, and none at all: exit code 1 and what to do."""
    image = make_image(store, TOLD, HASHES)
    (image / INPUTS).write_text("{")
    assert cli.main(["why", str(image)]) == 1
    assert "not JSON" in capsys.readouterr().err
    (image / INPUTS).unlink()
    assert cli.main(["why", str(image)]) == 1
    assert capsys.readouterr().err.endswith("told their inputs\nhint: postolka build\n")
    assert cli.main(["why", "0" * 12]) == 1
    assert "no such image" in capsys.readouterr().err
