"""Hash what the store holds again, and say what isn't as it was when it was finished."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING

from postolka import generation, papers, signing, trees
from postolka.errors import PostolkaError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from postolka.store import Store
    from postolka.trees import Entry

_FIELDS = ("path", "mode", "owner", "group", "size", "content", "attributes")


def verify(store: Store, names: Iterable[str], progress: Callable[[str], None]) -> list[Problem]:
    """Return what is wrong with the paths called `names`; a problem's path is NAME/FILE.

    Raises PostolkaError for a user who can't read all of it.
    """
    if os.geteuid() not in {0, store.root.stat().st_uid if store.root.exists() else 0}:
        raise PostolkaError(str(store.root), "only its owner can read all of it", hint="sudo …")
    # Not the store's own: what it holds may be what has changed.
    hashes: trees.Hashes = {}
    problems: list[Problem] = []
    for name in sorted(names):
        progress(name)
        problems += _path(store, name, hashes)
    return problems


def _path(store: Store, name: str, hashes: trees.Hashes) -> Iterator[Problem]:
    path = store.root / name
    if not path.exists():
        yield Problem(name, "is missing")
        return
    record = store.record(name)
    try:
        recorded = json.loads(record.read_bytes())
        yield from differences(name, recorded, trees.entries(path.resolve(), hashes))
    except FileNotFoundError:
        yield Problem(name, "has no record of how it was made")
    except (ValueError, TypeError):
        yield Problem(name, f"its record {record} is damaged")
    if (path / generation.MANIFEST).is_file():
        yield from _records(store, name)


def _records(store: Store, name: str) -> Iterator[Problem]:
    """Compare the records of an image's layers with what its manifest says of them."""
    try:
        expected = generation.manifest(store.root / name).get("records", {})
    except PostolkaError as error:
        yield Problem(name, error.problem)
        return
    for layer, digest in expected.items():
        if store.record(layer).exists() and store.digest(layer) != digest:
            yield Problem(layer, f"its record isn't the one that {name} was made with")


def checksums(directory: Path, *, label: str) -> Iterator[Problem]:
    """Yield what in `directory` isn't as its SHA256SUMS say; `label` begins a problem's path."""
    found = {str(entry[0]): entry[5] for entry in trees.entries(directory)}
    for line in papers.sums(directory).decode(errors="replace").splitlines():
        digest, _, name = line.partition("  ")
        if name not in found:
            yield Problem(f"{label}/{name}", "is missing")
        elif found[name] != digest:
            yield Problem(f"{label}/{name}", f"isn't what {papers.SUMS} says")


def signature(content: bytes, file: Path, public: Path, *, label: str) -> Iterator[Problem]:
    """Yield what is wrong with the signature in `file` of an image's checksums `content`."""
    # Read first: a wrong key is no verdict about the image.
    named = signing.fingerprint(public)
    if not file.exists():
        yield Problem(label, f"isn't signed by {public} ({named})")
    elif not signing.is_signed(content, file.read_bytes(), public):
        yield Problem(label, f"the signature {file} isn't by {public} of this image")


def differences(name: str, before: list[Entry], after: list[Entry]) -> Iterator[Problem]:
    """Yield what tells two trees apart, file by file."""
    old = {str(entry[0]): entry for entry in before}
    new = {str(entry[0]): entry for entry in after}
    for where in sorted(old.keys() | new.keys()):
        at = name if where == "." else f"{name}/{where}"
        if where not in new:
            yield Problem(at, "is missing")
        elif where not in old:
            yield Problem(at, "wasn't there")
        elif old[where] != new[where]:
            yield Problem(at, _difference(old[where], new[where]))


def _difference(old: Entry, new: Entry) -> str:
    said = []
    for field, before, after in zip(_FIELDS, old, new, strict=True):
        if before == after:
            continue
        if field == "mode":
            said.append(f"mode is {_mode(after)}, was {_mode(before)}")
        elif field in {"content", "attributes"}:
            said.append(f"{field} differ" + "s" * (field == "content"))
        else:
            said.append(f"{field} is {after}, was {before}")
    return "; ".join(said)


def _mode(mode: object) -> str:
    return stat.filemode(mode) if isinstance(mode, int) else str(mode)
