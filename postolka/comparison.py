"""What differs between the contents of two images, from the store's records. Pure: no I/O."""

from __future__ import annotations

import stat
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from postolka.trees import Entry

#: Path from the root, absolute -> its entry.
Files = dict[str, "Entry"]

_OPAQUE = "trusted.overlay.opaque"
_UNITS = ("/usr/lib/systemd/system/", "/etc/systemd/system/")
_KINDS = (".service", ".socket", ".timer", ".path", ".target", ".mount", ".slice")


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package that differs; a version is None where an image doesn't have it."""

    name: str
    source: str
    sets: tuple[str, ...]
    a: str | None
    b: str | None
    sha256: str
    """Of its .deb in B, or in A where it was removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file that differs: sizes, modes and owners by image; None where it isn't there."""

    path: str
    what: tuple[str, ...]
    """added, removed, or of content, mode and owner those that differ."""
    size: tuple[int | None, int | None]
    mode: tuple[str | None, str | None]
    owner: tuple[str | None, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A unit of systemd that differs: enabled, disabled, masked, or None where there is none."""

    name: str
    a: str | None
    b: str | None
    is_changed: bool
    """Its files differ."""


def merged(layers: Iterable[tuple[list[Entry], str]]) -> Files:
    """Return the root that layers make, each its record and the directory in it, lowest first."""
    files: Files = {}
    for entries, folder in layers:
        for entry in entries:
            where = str(entry[0])
            if where != folder and not where.startswith(f"{folder}/"):
                continue
            path = f"/{where[len(folder) + 1 :]}"
            is_gone = stat.S_ISCHR(_mode(entry)) and entry[5] == "0"
            below = files.get(path)
            is_opaque = any(name == _OPAQUE for name, _ in _attributes(entry))
            hides = is_gone or is_opaque or not stat.S_ISDIR(_mode(entry))
            if below and stat.S_ISDIR(_mode(below)) and hides:
                for name in [name for name in files if name.startswith(f"{path}/")]:
                    del files[name]
            files.pop(path, None)
            if not is_gone:
                files[path] = entry
    return files


def packages(old: Iterable[Mapping[str, Any]], new: Iterable[Mapping[str, Any]]) -> list[Package]:
    """Return the packages that differ between two locks' rows, by name."""
    before = {row["name"]: row for row in old}
    after = {row["name"]: row for row in new}
    found = []
    for name in sorted(before | after):
        one, other = before.get(name), after.get(name)
        if one and other and one["sha256"] == other["sha256"]:
            continue
        row = other or one or {}
        found.append(
            Package(
                name=name,
                source=row["path"].split("/")[-2],
                sets=tuple(row["sets"]),
                a=one["version"] if one else None,
                b=other["version"] if other else None,
                sha256=row["sha256"],
            )
        )
    return found


def files(old: Files, new: Files) -> list[File]:
    """Return the files that differ, by path."""
    return [
        File(
            path=path,
            what=what,
            size=(_size(one), _size(other)),
            mode=(_shown(one), _shown(other)),
            owner=(_owner(one), _owner(other)),
        )
        for path in sorted(old.keys() | new.keys())
        for one, other in [(old.get(path), new.get(path))]
        if (what := tuple(_what(one, other)))
    ]


def _what(one: Entry | None, other: Entry | None) -> Iterator[str]:
    if one is None or other is None:
        yield "added" if one is None else "removed"
        return
    if one[5] != other[5] or stat.S_IFMT(_mode(one)) != stat.S_IFMT(_mode(other)):
        yield "content"
    if stat.S_IMODE(_mode(one)) != stat.S_IMODE(_mode(other)):
        yield "mode"
    if one[2:4] != other[2:4]:
        yield "owner"


def units(old: Files, new: Files) -> list[Unit]:
    """Return the units that differ in state or files, by name."""
    before, after = _units(old), _units(new)
    found = []
    for name in sorted(before | after):
        one, other = before.get(name), after.get(name)
        if one != other:
            states = (one[0] if one else None, other[0] if other else None)
            is_changed = bool(one and other and one[1] != other[1])
            found.append(Unit(name=name, a=states[0], b=states[1], is_changed=is_changed))
    return found


def _units(files: Files) -> dict[str, tuple[str, list[object]]]:
    """Return each unit's state, and the contents of its files and drop-ins."""
    contents: dict[str, list[object]] = {}
    state: dict[str, str] = {}
    for path in sorted(files):
        top = next((top for top in _UNITS if path.startswith(top)), None)
        if top is None:
            continue
        folder, _, name = path[len(top) :].rpartition("/")
        if folder.endswith((".wants", ".requires")):
            state[name] = "enabled"
        elif folder.endswith(".d") and folder[:-2].endswith(_KINDS):
            contents.setdefault(folder[:-2], []).append(files[path][5])
        elif not folder and name.endswith(_KINDS):
            contents.setdefault(name, []).append(files[path][5])
            if files[path][5] == "/dev/null":
                state[name] = "masked"
    return {name: (state.get(name, "disabled"), found) for name, found in contents.items()}


def rows(
    old: Iterable[Mapping[str, Any]], new: Iterable[Mapping[str, Any]]
) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """Return the rows (ports, flows) that only the second has, and those of the first only."""
    before, after = list(old), list(new)
    return [row for row in after if row not in before], [row for row in before if row not in after]


def lines(old: str, new: str) -> tuple[list[str], list[str]]:
    """Return the lines that only the second text has, and those that only the first has."""
    before = Counter(line.strip() for line in old.splitlines())
    after = Counter(line.strip() for line in new.splitlines())
    return sorted((after - before).elements()), sorted((before - after).elements())


def _mode(entry: Entry) -> int:
    mode = entry[1]
    assert isinstance(mode, int)  # noqa: S101 - so trees.entries makes it
    return mode


def _attributes(entry: Entry) -> list[list[str]]:
    attributes = entry[6]
    assert isinstance(attributes, list)  # noqa: S101 - so trees.entries makes it
    return attributes


def _size(entry: Entry | None) -> int | None:
    return None if entry is None else int(str(entry[4]))


def _shown(entry: Entry | None) -> str | None:
    return None if entry is None else stat.filemode(_mode(entry))


def _owner(entry: Entry | None) -> str | None:
    return None if entry is None else f"{entry[2]}:{entry[3]}"
