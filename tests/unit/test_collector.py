"""The collector: what has a root or is in use stays, the rest goes, the oldest first."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

import pytest

from postolka import cli, collector
from postolka.errors import PostolkaError
from postolka.generation import MANIFEST, NAMES
from postolka.store import Store, digest

if TYPE_CHECKING:
    from pathlib import Path

_DAY = 86400.0
_BYTES = 1 << 20


@pytest.fixture(name="store")
def _store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("POSTOLKA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return Store(tmp_path / "home/store")


def _layer(store: Store, name: str, *, days: float = 1) -> Path:
    def make(path: Path) -> None:
        path.mkdir()
        (path / "bytes").write_bytes(os.urandom(_BYTES))

    path = store.realise("packages", digest(name), make)
    _age(store, path, days)
    return path


def _generation(store: Store, name: str, layers: list[Path], *, days: float = 1) -> Path:
    def make(path: Path) -> None:
        path.mkdir()
        names = [layer.name for layer in layers]
        manifest = {"id": digest(name), "root_layers": [f"{n}/root" for n in names], "paths": names}
        (path / MANIFEST).write_text(json.dumps(manifest))

    path = store.realise(NAMES["disk"], digest(name), make)
    _age(store, path, days)
    return path


def _age(store: Store, path: Path, days: float) -> None:
    then = time.time() - days * _DAY
    os.utime(store.stamp(path.name), (then, then))


def test_everything_without_a_root_goes(store: Store) -> None:
    """A generation that nobody builds, boots or used of late, and its layers."""
    layer = _layer(store, "a")
    image = _generation(store, "image", [layer])
    gone = dict(collector.collect(store))
    assert set(gone) == {layer.name, image.name}
    assert gone[layer.name] >= _BYTES
    assert not layer.exists()
    assert not image.exists()


def test_what_a_checkout_builds_stays(store: Store, tmp_path: Path) -> None:
    """With its layers, as long as the checkout is there."""
    layer = _layer(store, "a")
    image = _generation(store, "image", [layer])
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    store.keep(checkout, image)
    assert collector.collect(store) == []
    assert collector.generations(store)[0].roots == (str(checkout),)
    checkout.rmdir()
    assert {name for name, _ in collector.collect(store)} == {layer.name, image.name}


def test_each_profile_of_a_checkout_has_its_root(store: Store, tmp_path: Path) -> None:
    """One doesn't take it from the other, and both are told apart."""
    for profile in ("", "small"):
        store.keep(tmp_path, _generation(store, f"image{profile}", []), profile)
    assert collector.collect(store) == []
    roots = {root for found in collector.generations(store) for root in found.roots}
    assert roots == {str(tmp_path), f"{tmp_path} (small)"}


def test_next_build_of_a_checkout_takes_the_root(store: Store, tmp_path: Path) -> None:
    """What it built before is nobody's any more."""
    old = _generation(store, "old", [])
    new = _generation(store, "new", [])
    for image in (old, new):
        store.keep(tmp_path, image)
    assert [name for name, _ in collector.collect(store)] == [old.name]


def test_what_a_process_has_open_stays(store: Store) -> None:
    """A machine that runs keeps its image, and with it every layer."""
    layer = _layer(store, "a")
    image = _generation(store, "image", [layer])
    with (image / MANIFEST).open():
        assert "in use" in collector.generations(store)[0].roots
        assert collector.collect(store) == []


def test_what_was_just_used_stays(store: Store) -> None:
    """A build or a machine may be about to open it."""
    layer = _layer(store, "a")
    assert store.get("packages", digest("a")) == layer
    assert collector.collect(store) == []


def test_last_generations_stay_where_asked_for(store: Store) -> None:
    """`--keep` counts from the one used last."""
    paths = [_generation(store, str(days), [], days=days) for days in (3, 1, 2)]
    assert [name for name, _ in collector.collect(store, keep=2)] == [paths[0].name]


def test_age_is_that_of_the_last_use(store: Store) -> None:
    """`--older-than` spares what was used since."""
    old, _ = _generation(store, "old", [], days=9), _generation(store, "new", [], days=3)
    gone = collector.collect(store, older_than_seconds=5 * _DAY)
    assert [name for name, _ in gone] == [old.name]


def test_only_so_much_goes_as_is_needed(store: Store) -> None:
    """A limit takes the oldest first, and stops."""
    oldest, *_ = (_layer(store, str(days), days=days) for days in (3, 2, 1))
    assert [name for name, _ in collector.collect(store, limit_bytes=3 * _BYTES)] == [oldest.name]


def test_generation_goes_with_its_layers(store: Store) -> None:
    """What remains can always be booted."""
    layer = _layer(store, "a", days=9)
    image = _generation(store, "image", [layer], days=2)
    gone = collector.collect(store, limit_bytes=1 << 19)
    assert {name for name, _ in gone} == {layer.name, image.name}
    assert collector.generations(store) == []


def test_layer_that_another_process_has_removed_is_no_error(store: Store) -> None:
    """Builds that end at once clean up at once: a path may go between a look and the next."""
    layer, other = _layer(store, "configured"), _layer(store, "policy")
    _generation(store, "golden", [layer, other])
    store.remove(layer.name)
    assert other.name in [name for name, _ in collector.collect(store)]


def test_dry_run_removes_nothing(store: Store) -> None:
    """It only says what would go."""
    layer = _layer(store, "a")
    assert [name for name, _ in collector.collect(store, dry=True)] == [layer.name]
    assert layer.exists()


def test_limit_must_be_a_number(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting is named."""
    monkeypatch.setenv("POSTOLKA_STORE_GIB", "much")
    with pytest.raises(PostolkaError, match="POSTOLKA_STORE_GIB"):
        collector.trim(store)


def test_list_and_gc_as_commands(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`list --json` shows what `gc --json` then spares or removes."""
    kept, lost = _generation(store, "kept", []), _generation(store, "lost", [])
    store.keep(tmp_path, kept)
    assert cli.main(["list", "--json"]) == 0
    listed = {known["path"]: known for known in json.loads(capsys.readouterr().out)}
    assert listed[str(kept)]["roots"] == [str(tmp_path)]
    assert listed[str(lost)]["roots"] == []
    assert cli.main(["gc", "--json"]) == 0
    assert [known["path"] for known in json.loads(capsys.readouterr().out)] == [lost.name]
