"""`postolka verify`: whatever changes in a finished path is found and named."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from postolka import cli, trees, verification
from postolka.generation import MANIFEST, NAMES
from postolka.store import Store, digest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(name="store")
def _store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("POSTOLKA_HOME", str(tmp_path / "home"))
    return Store(tmp_path / "home/store")


@pytest.fixture(name="layer")
def _layer(store: Store) -> Path:
    def make(path: Path) -> None:
        (path / "etc").mkdir(parents=True)
        (path / "etc/file").write_bytes(bytes(2 << 20))
        (path / "etc/link").symlink_to("file")

    return store.realise("packages", digest("layer"), make)


@pytest.fixture(name="image")
def _image(store: Store, layer: Path) -> Path:
    def make(path: Path) -> None:
        path.mkdir()
        manifest = {
            "id": digest("image"),
            "root_layers": [f"{layer.name}/etc"],
            "paths": [layer.name],
            "records": {layer.name: store.digest(layer.name)},
        }
        (path / MANIFEST).write_text(json.dumps(manifest))
        (path / "disk.raw").hardlink_to(layer / "etc/file")

    return store.realise(NAMES["disk"], digest("image"), make)


def _flip(path: Path, at: int) -> None:
    """Flip one bit, and keep the size and the date."""
    status = path.stat()
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_untouched_store_is_right(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The whole store, and one image by its id or its path."""
    for words in ([], [digest("image")[:12]], [str(image)]):
        assert cli.main(["verify", *words]) == 0
        assert capsys.readouterr().out == "2 paths are as they were made\n"


def test_a_flipped_bit_is_found(
    layer: Path, image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, with the path's name and the file; each name of the file is told."""
    _flip(layer / "etc/file", 1234567)
    assert cli.main(["verify"]) == 1
    said = capsys.readouterr().err
    assert f"{layer.name}/etc/file: content differs" in said
    assert f"{image.name}/disk.raw: content differs" in said
    assert "hint: " in said
    assert cli.main(["verify", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert {"path": layer.name, "file": "etc/file", "problem": "content differs"} in told[
        "problems"
    ]
    assert told["checked"] == sorted([layer.name, image.name])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda path: path.unlink(), "etc/file: is missing"),
        (lambda path: path.with_name("new").touch(), "etc/new: wasn't there"),
        (lambda path: path.chmod(0o600), "etc/file: mode is -rw-------, was -rw-r--r--"),
        (lambda path: os.truncate(path, 1), "etc/file: size is 1, was 2097152; content differs"),
        (
            lambda path: (path.with_name("link").unlink(), path.with_name("link").symlink_to("x")),
            "etc/link: size is 1, was 4; content differs",
        ),
    ],
)
def test_every_kind_of_change_is_named(
    store: Store, layer: Path, change: Callable[[Path], object], problem: str
) -> None:
    """Files that went or came, modes, sizes and targets of links."""
    change(layer / "etc/file")
    found = verification.verify(store, [layer.name], lambda _: None)
    assert [str(one) for one in found] == [f"{layer.name}/{problem}"]


def test_a_forged_record_is_found(store: Store, layer: Path, image: Path) -> None:
    """An image knows the records of its layers."""
    _flip(layer / "etc/file", 5)
    entries = trees.entries(layer)
    store.record(layer.name).write_text(json.dumps(entries, separators=(",", ":")))
    found = verification.verify(store, [layer.name, image.name], lambda _: None)
    assert f"{layer.name}: its record isn't the one that {image.name} was made with" in map(
        str, found
    )


def test_what_can_not_be_checked_is_no_success(store: Store, layer: Path, image: Path) -> None:
    """A lost or damaged record, and a lost layer."""
    store.record(layer.name).write_text("[")
    found = verification.verify(store, [layer.name], lambda _: None)
    assert "is damaged" in found[0].text
    store.record(layer.name).unlink()
    found = verification.verify(store, [layer.name], lambda _: None)
    assert [one.text for one in found] == ["has no record of how it was made"]
    store.remove(layer.name)
    assert not store.record(layer.name).exists()
    assert cli.main(["verify", str(image)]) == 1


def test_damage_can_be_removed(
    store: Store, layer: Path, image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The layer goes, and with it the image that needs it: the next build makes both again."""
    other = store.realise("packages", digest("other"), lambda path: path.mkdir())
    _flip(layer / "etc/file", 5)
    assert cli.main(["verify", "--remove"]) == 1
    assert capsys.readouterr().out == "".join(
        f"removed {name}\n" for name in sorted([layer.name, image.name])
    )
    assert not layer.exists()
    assert not image.exists()
    assert other.exists()
    assert cli.main(["verify"]) == 0


def test_unknown_image_is_an_error(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1 and the next command."""
    store.root.mkdir(parents=True)
    assert cli.main(["verify", "0" * 12]) == 1
    assert capsys.readouterr().err.endswith("no such image\nhint: postolka build\n")
