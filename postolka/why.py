"""Which input made an image: the inputs as a tree, and what differs between two. Pure: no I/O.

The tree has the levels input, group and leaf: `plan`, `room postfix`, one of its files. An input
counts by its hash; files and settings that don't change it are told only where it did change.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from postolka import derivation
from postolka.store import digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Folders of pyinfra_deploys that are no rooms.
_SHARED = {"connectors", "facts", "operations"}
#: input -> group -> leaf -> value
Leaves = dict[str, dict[str, dict[str, str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """An input, a group of inputs or a leaf."""

    name: str
    value: str
    """A leaf's value, otherwise a hash over all below."""
    children: tuple[Node, ...] = ()

    def as_data(self) -> dict[str, Any]:
        """Return plain data, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A leaf that differs; None where an image doesn't have it."""

    input: str
    group: str
    name: str
    a: str | None
    b: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What differs between the inputs and the layers of two images."""

    inputs: tuple[str, ...]
    """Inputs whose hash differs."""
    changes: tuple[Change, ...]
    shared: tuple[str, ...]
    """Names of the store paths that both are made of."""
    made: Mapping[str, list[str]] = field(default_factory=dict)
    """Those of one only, by "a" and "b"."""


def tree(manifest: Mapping[str, Any], told: Mapping[str, Any]) -> Node:
    """Return the tree of an image from its manifest and its inputs."""
    inputs = [
        Node(
            name=name,
            value=manifest["inputs"][name],
            children=tuple(
                Node(
                    name=group,
                    value=digest(leaves),
                    children=tuple(Node(name=leaf, value=value) for leaf, value in leaves.items()),
                )
                for group, leaves in groups.items()
                if leaves
            ),
        )
        for name, groups in _leaves(told).items()
    ]
    inputs.append(Node(name="format", value=manifest["inputs"]["format"]))
    layers = [
        Node(name=name.partition("-")[2], value=name.partition("-")[0])
        for name in manifest["paths"]
    ]
    whole = Node(name="layers", value=digest(manifest["paths"]), children=tuple(layers))
    return Node(name="image", value=manifest["id"], children=(*inputs, whole))


def difference(
    manifests: tuple[Mapping[str, Any], Mapping[str, Any]],
    told: tuple[Mapping[str, Any], Mapping[str, Any]],
) -> Difference:
    """Return what differs between two images, given as for `tree`."""
    hashes = [manifest["inputs"] for manifest in manifests]
    inputs = [name for name in hashes[0] | hashes[1] if hashes[0].get(name) != hashes[1].get(name)]
    old, new = (_leaves(one) for one in told)
    paths = [set(manifest["paths"]) for manifest in manifests]
    return Difference(
        inputs=tuple(inputs),
        changes=tuple(change for name in inputs for change in _changes(name, old, new)),
        shared=tuple(sorted(paths[0] & paths[1])),
        made={"a": sorted(paths[0] - paths[1]), "b": sorted(paths[1] - paths[0])},
    )


def _changes(name: str, old: Leaves, new: Leaves) -> Iterator[Change]:
    before, after = old.get(name, {}), new.get(name, {})
    for group in before | after:
        one, other = before.get(group, {}), after.get(group, {})
        for leaf in sorted(one | other):
            if one.get(leaf) != other.get(leaf):
                yield Change(input=name, group=group, name=leaf, a=one.get(leaf), b=other.get(leaf))


def _leaves(told: Mapping[str, Any]) -> Leaves:
    files: dict[str, str] = told["files"]
    policies = {path: hashed for path, hashed in files.items() if path.endswith("/policy.cil")}
    recipe = {path: hashed for path, hashed in files.items() if derivation.is_recipe(path)}
    plan: dict[str, dict[str, str]] = {"settings": _settings(told["settings"]), "code": {}}
    for path, hashed in files.items():
        if (
            path not in policies
            and path not in recipe
            and not path.startswith(derivation.GROUP_DATA)
        ):
            plan.setdefault(_group(path), {})[path] = hashed
    plan["operations"] = _operations(told["operations"])
    return {
        "lock": _lock(told["lock"]),
        "plan": plan,
        "policies": {"files": policies},
        "recipe": {"files": recipe},
    }


def _lock(lock: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {
        "dates": {suite["suite"]: suite["date"] for suite in lock["suites"]}
    }
    for name in derivation.SETS:
        found[f"packages of {name}"] = {
            package["name"]: f"{package['version']} {package['sha256'][:12]}"
            for package in lock["packages"]
            if name in package["sets"]
        }
    return found


def _settings(settings: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    return {
        f"{section}.{name}": str(value)
        for section, values in settings.items()
        for name, value in values.items()
    }


def _operations(operations: list[list[str]]) -> dict[str, str]:
    """Return hashes by name; the second operation of a name is `NAME (2)`."""
    seen: Counter[str] = Counter()
    found = {}
    for name, hashed in operations:
        seen[name] += 1
        found[f"{name} ({seen[name]})" if seen[name] > 1 else name] = hashed
    return found


def _group(path: str) -> str:
    parts = path.split("/")
    if parts[0] == "pyinfra_deploys" and len(parts) > 2:  # noqa: PLR2004 - a file in a folder of it
        return f"room {parts[1]}" if parts[1] not in _SHARED else "code"
    return "code"
