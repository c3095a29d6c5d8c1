"""What tells two builds of one image apart: each layer byte for byte, and how its files differ."""

from __future__ import annotations

import contextlib
import difflib
import itertools
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from postolka import generation, trees, verification
from postolka.errors import PostolkaError, Problem
from postolka.layers.checked import CHECK
from postolka.run import ENVIRONMENT
from postolka.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from postolka.trees import Entry


#: Kinds of layers that every image has, in the order in which they are made.
LAYERS = (
    "tools", "packages", "policy-base", "policy", "kernel", "initrd", "generated", "configured",
    "image", "disk",
)  # fmt: skip
# The first is of images whose settings leave rooms out.
_KINDS = ("subset", *LAYERS)
# The others get the one date of all their files in the image only.
_DATED = frozenset({"tools", "packages", "generated", "configured"})
_SHOWN = 10
_LINES = 40
_TEXT_BYTES = 1 << 20
_SHOWN_BYTES = 1 << 26
_SECONDS = 120
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A layer of both builds."""

    name: str
    first: Path | None
    second: Path | None
    """Its store paths; None where a build has no such layer."""
    problems: tuple[Problem, ...]
    """What differs, file by file; the paths are from the store path on, empty for itself."""

    @property
    def is_equal(self) -> bool:
        """Whether both builds have the same bytes there."""
        return not self.problems


def layers(first: Path, second: Path, progress: Callable[[str], None]) -> list[Layer]:
    """Return every layer of two finished builds, given as their store paths."""
    known = [_by_kind(first), _by_kind(second)]
    names = sorted(known[0].keys() | known[1].keys(), key=_KINDS.index)
    found = []
    for name in names:
        progress(f"comparing {name}")
        found.append(layer(name, known[0].get(name), known[1].get(name)))
    return found


def layer(name: str, first: Path | None, second: Path | None) -> Layer:
    """Compare a store path of each build: what is in the first now with what the second made."""
    problems: list[Problem] = []
    if first is None or second is None:
        problems.append(Problem("", f"only the {'second' if first is None else 'first'} has it"))
    else:
        entries = trees.entries(first.resolve()), _recorded(second)
        differing = verification.differences("", *entries)
        problems += [Problem(one.path.removeprefix("/"), one.text) for one in differing]
        if name in _DATED:
            known = {one.path for one in problems}
            dates = _dates(first.resolve(), second.resolve())
            problems += [one for one in dates if one.path not in known]
    return Layer(name=name, first=first, second=second, problems=tuple(sorted(problems)))


def _by_kind(path: Path) -> dict[str, Path]:
    """Return the layers of a finished build, by kind."""
    names = [name for name in generation.needs(path) if name != path.name]
    found = {name.partition("-")[2]: path.parent / name for name in names}
    # That a room's checks are passed is an empty path.
    found = {kind: path for kind, path in found.items() if not kind.startswith(CHECK)}
    if unknown := sorted(found.keys() - set(_KINDS)):
        raise PostolkaError(str(path), f"has layers of an unknown kind: {', '.join(unknown)}")
    return found


def _recorded(path: Path) -> list[Entry]:
    """Return the entries of a store path that has just been made: it was hashed then."""
    try:
        entries: list[Entry] = json.loads(Store(path.parent).record(path.name).read_bytes())
    except FileNotFoundError:
        return trees.entries(path.resolve())
    return entries


def _dates(first: Path, second: Path) -> Iterator[Problem]:
    """Yield the files of both whose dates differ."""
    for where in _names(first) & _names(second):
        old, new = (os.lstat(top / where).st_mtime_ns for top in (first, second))
        if old != new:
            text = f"its date is {new / 10**9:.9f}, was {old / 10**9:.9f} (seconds since 1970)"
            yield Problem(where, text)


def _names(top: Path) -> set[str]:
    # Not its own: the store closes a path once its content is settled.
    return {str(path.relative_to(top)) for path in top.glob("*/**/*")}


def shown(found: Layer) -> Iterator[tuple[str, list[str]]]:
    """Yield the first files whose content differs, each with lines that say how."""
    differing = [one for one in found.problems if "content differs" in one.text]
    for one in differing[:_SHOWN]:
        if found.first and found.second:
            yield one.path, _lines(found.first / one.path, found.second / one.path)


def _lines(first: Path, second: Path) -> list[str]:
    """Return how two files differ: as diffoscope says it where that is installed."""
    said = _said(first, second)
    left = len(said) - _LINES
    return [*said[:_LINES], f"and {left} lines more"] if left > 0 else said


def _said(first: Path, second: Path) -> list[str]:
    program = shutil.which("diffoscope")
    size = max(path.lstat().st_size for path in (first, second))
    if program and size <= _SHOWN_BYTES:
        return _diffoscope(program, first, second)
    if first.is_symlink() and second.is_symlink():
        return [f"-> {first.readlink()}", f"-> {second.readlink()}"]
    if size <= _TEXT_BYTES and first.is_file() and second.is_file():
        with contextlib.suppress(UnicodeDecodeError):
            old, new = (path.read_text(encoding="utf-8").splitlines() for path in (first, second))
            return list(difflib.unified_diff(old, new, "first", "second", lineterm="", n=1))
    return [_where(first, second)]


def _diffoscope(program: str, first: Path, second: Path) -> list[str]:
    argv = [program, "--no-progress", "--text", "-", str(first), str(second)]
    try:
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            env=dict(ENVIRONMENT),
            timeout=_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return [f"diffoscope hasn't found it in {_SECONDS} s"]
    # 1: they differ.
    return (done.stdout if done.returncode <= 1 else done.stdout + done.stderr).splitlines()


def _where(first: Path, second: Path) -> str:
    """Return the place of the first byte that differs, and what stands there."""
    at = 0
    with first.open("rb") as one, second.open("rb") as other:
        while True:
            blocks = one.read(_BLOCK), other.read(_BLOCK)
            if blocks[0] != blocks[1]:
                break
            if not blocks[0]:
                return "no byte of the content differs any more"
            at += len(blocks[0])
    pairs = enumerate(itertools.zip_longest(*blocks))
    skip = next(number for number, (a, b) in pairs if a != b)
    there = [block[skip : skip + 16].hex(" ") or "the end" for block in blocks]
    return f"from byte {at + skip:,} on: {there[0]} | {there[1]}"


def as_data(found: Layer) -> Mapping[str, object]:
    """Return a layer as plain data, with how its files differ."""
    how = dict(shown(found))
    return {
        "layer": found.name,
        "is_equal": found.is_equal,
        "first": str(found.first) if found.first else None,
        "second": str(found.second) if found.second else None,
        "files": [
            {"path": one.path, "problem": one.text, "shown": how.get(one.path, [])}
            for one in found.problems
        ],
    }
