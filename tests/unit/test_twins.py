"""Two builds side by side: what is the same, what isn't, and how it is told."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from postolka import rebuild, twins
from postolka.build import Built
from postolka.clock import PACKAGE
from postolka.errors import PostolkaError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_KEYS = {"packages": "1" * 32, "configured": "2" * 32}


def _build(store: Path, layers: Mapping[str, Mapping[str, bytes]]) -> Path:
    """Make a store with a finished build of these layers, each a tree of files."""
    for name, files in layers.items():
        for where, content in files.items():
            path = store / f"{_KEYS[name]}-{name}" / "root" / where
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            os.utime(path, (1, 1))
            os.utime(path.parent, (1, 1))
    golden = store / f"{'0' * 32}-golden"
    golden.mkdir()
    manifest = {"id": "0" * 64, "root_layers": [], "paths": [f"{_KEYS[n]}-{n}" for n in layers]}
    (golden / "image.json").write_text(json.dumps(manifest))
    return golden


def _compare(
    tmp_path: Path,
    first: Mapping[str, Mapping[str, bytes]],
    second: Mapping[str, Mapping[str, bytes]],
) -> list[twins.Layer]:
    one, other = _build(tmp_path / "first", first), _build(tmp_path / "second", second)
    return twins.layers(one, other, lambda _: None)


def test_equal_builds_are_equal(tmp_path: Path) -> None:
    """In the order in which layers are made."""
    same = {"configured": {"etc/b": b"x"}, "packages": {"etc/a": b"x"}}
    found = _compare(tmp_path, same, same)
    assert [(layer.name, layer.is_equal) for layer in found] == [
        ("packages", True),
        ("configured", True),
    ]


def test_each_differing_file_is_named(tmp_path: Path) -> None:
    """By its path in the layer; one that only one build has, too."""
    (found,) = _compare(
        tmp_path,
        {"packages": {"etc/same": b"x", "etc/changed": b"one\n", "etc/gone": b"x"}},
        {"packages": {"etc/same": b"x", "etc/changed": b"two\n", "etc/new": b"x"}},
    )
    assert [str(one) for one in found.problems] == [
        "root/etc/changed: content differs",
        "root/etc/gone: is missing",
        "root/etc/new: wasn't there",
    ]
    ((path, lines),) = twins.shown(found)
    assert path == "root/etc/changed"
    assert lines == ["--- first", "+++ second", "@@ -1 +1 @@", "-one", "+two"]


def test_a_binary_file_differs_from_a_byte_on(tmp_path: Path) -> None:
    """A text would say nothing: its first other byte does."""
    one, other = (b"\xff" * 2_000_000 + last for last in (b"\1\2", b"\1\3"))
    (found,) = _compare(tmp_path, {"packages": {"a": one}}, {"packages": {"a": other}})
    assert list(twins.shown(found)) == [("root/a", ["from byte 2,000,001 on: 02 | 03"])]


def test_a_date_is_content_where_it_is_settled(tmp_path: Path) -> None:
    """Of the packages' root, which a container shows as it is."""
    same = {"packages": {"a": b"x"}}
    one, other = _build(tmp_path / "first", same), _build(tmp_path / "second", same)
    os.utime(next((tmp_path / "second").glob("*-packages/root/a")), (2, 2))
    (found,) = twins.layers(one, other, lambda _: None)
    assert [one.path for one in found.problems] == ["root/a"]
    assert "its date is 2.0" in found.problems[0].text


def test_a_layer_of_one_build_only_is_a_difference(tmp_path: Path) -> None:
    """Nothing is left out of the comparison."""
    found = _compare(tmp_path, {"packages": {"a": b"x"}}, {"configured": {"a": b"x"}})
    assert [str(problem) for layer in found for problem in layer.problems] == [
        ": only the first has it",
        ": only the second has it",
    ]


def test_diffoscope_tells_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is installed its words are shown, cut after forty lines."""
    program = tmp_path / "bin/diffoscope"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "asked for $4 $5"\nseq 50\nexit 1\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    (found,) = _compare(tmp_path, {"packages": {"a": b"x"}}, {"packages": {"a": b"y"}})
    ((_, lines),) = twins.shown(found)
    assert lines[0].startswith("asked for ")
    assert len(lines) == 41
    assert lines[-1] == "and 11 lines more"


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is built: which package the host needs."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("postolka.clock.LIBRARY", tmp_path / "none")
    first = Built(id="0" * 64, path=tmp_path, disk=None, root_layers=())
    with (
        pytest.raises(PostolkaError, match=PACKAGE) as caught,
        rebuild.second(tmp_path, first, "qcow2", print),
    ):
        pass
    assert caught.value.hint == f"apt-get install {PACKAGE}"
