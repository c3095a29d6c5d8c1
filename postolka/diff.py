"""What differs between two images in the store, as plain data: from packages to SELinux rules."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from postolka import build, changelog, comparison, generation, labels, papers
from postolka.errors import PostolkaError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from postolka.build import Built
    from postolka.comparison import Files, Package
    from postolka.debs import Debs
    from postolka.store import Store
    from postolka.trees import Entry

_SELINUX = "etc/selinux/default"
_CONTEXTS = f"{_SELINUX}/contexts/files"
#: Kinds of layers whose sizes are told.
_SIZES = ("packages", "policy", "generated", "configured", "kernel", "initrd", "image", "disk")


def diff(
    store: Store, debs: Debs, first: Built, last: Built, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Return the differences; the field names are those of `postolka diff --json`.

    Raises PostolkaError where an image is from before the store kept what is needed for it, or a
    policy is to be read without root's rights.
    """
    told = papers.read(first.path), papers.read(last.path)
    progress("comparing packages and files")
    roots = _root(store, first), _root(store, last)
    changed = comparison.packages(told[0]["lock"]["packages"], told[1]["lock"]["packages"])
    found = comparison.files(*roots)
    owners = _owners(last) | _owners(first)
    opened, shut = comparison.rows(told[0]["ports"], told[1]["ports"])
    allowed, denied = comparison.rows(told[0]["egress"], told[1]["egress"])
    progress("comparing SELinux labels and rules")
    return {
        "a": first.id,
        "b": last.id,
        "packages": packages(changed, debs),
        "files": [{**asdict(file), "package": owners.get(file.path)} for file in found],
        "labels": _labels(first, last, roots),
        "units": [asdict(unit) for unit in comparison.units(*roots)],
        "ports": {"added": opened, "removed": shut},
        "egress": {"added": allowed, "removed": denied},
        "rules": _rules(first, last),
        "sizes": _sizes(store, first, last),
    }


def packages(changed: Sequence[Package], debs: Debs) -> list[dict[str, Any]]:
    """Return the packages as data, with what each upgrade brought where its .deb is cached."""
    entries: dict[tuple[str, str | None, str | None], tuple[changelog.Entry, ...]] = {}
    told: list[dict[str, Any]] = []
    for package in changed:
        kind = _kind(package)
        at = (package.source, package.a, package.b)
        if kind == "upgraded" and package.a and not entries.get(at):
            deb = debs.directory / f"{package.sha256}.deb"
            text = changelog.read(deb, package.name) if deb.exists() else ""
            entries[at] = changelog.between(text, package.a)
        facts = {"name": package.name, "source": package.source, "sets": list(package.sets)}
        told.append({**facts, "change": kind, "a": package.a, "b": package.b})
    # Packages of one source tell the same, whichever of them has the changelog.
    for row, package in zip(told, changed, strict=True):
        brought = entries.get((package.source, package.a, package.b), ())
        row["cves"] = sorted({cve for entry in brought for cve in entry.cves})
        row["changelog"] = [asdict(entry) for entry in brought]
    return told


def is_empty(found: dict[str, Any]) -> bool:
    """Whether two images hold the same; their ids and sizes on this disk aside."""
    names = ("packages", "files", "labels", "units")
    pairs = ("ports", "egress", "rules")
    return not any(found[name] for name in names) and not any(
        found[name][side] for name in pairs for side in ("added", "removed")
    )


def _kind(package: Package) -> str:
    if package.a is None or package.b is None:
        return "added" if package.a is None else "removed"
    if package.a == package.b:
        return "rebuilt"
    return "upgraded" if changelog.is_older(package.a, package.b) else "downgraded"


def _record(store: Store, name: str) -> list[Entry]:
    try:
        entries: list[Entry] = json.loads(store.record(name).read_bytes())
    except (FileNotFoundError, ValueError) as error:
        problem = "has no record of its files that can be read"
        raise PostolkaError(name, problem, hint="postolka verify") from error
    return entries


def _root(store: Store, built: Built) -> Files:
    """Return the root file system that the image's layers make."""
    layers = [(_record(store, path.parent.name), path.name) for path in built.root_layers]
    return comparison.merged(reversed(layers))


def _owners(built: Built) -> dict[str, str]:
    """Return which package brought each file of the root."""
    found = {}
    for listing in (built.root_layers[-1] / "var/lib/dpkg/info").glob("*.list"):
        name = listing.stem.partition(":")[0]
        for path in listing.read_text(errors="replace").splitlines():
            found[path] = name
    return found


def _policy(built: Built) -> Path:
    """Return the topmost tree of the image that holds the SELinux policy."""
    for layer in built.root_layers:
        if (layer / _CONTEXTS / "file_contexts").exists():
            return layer
    raise PostolkaError(str(built.path), "none of its layers has a SELinux policy")


def _read_labels(built: Built) -> labels.Labels:
    folder = _policy(built) / _CONTEXTS
    texts = {
        name: (folder / name).read_text() if (folder / name).exists() else ""
        for name in ("file_contexts", "file_contexts.homedirs", "file_contexts.subs_dist")
    }
    contexts, homes, aliases = texts.values()
    return labels.Labels([*contexts.splitlines(), *homes.splitlines()], aliases.splitlines())


def _labels(first: Built, last: Built, roots: tuple[Files, Files]) -> list[dict[str, str]]:
    if _policy(first) == _policy(last):
        return []
    modes = {path: int(str(roots[1][path][1])) for path in roots[0].keys() & roots[1].keys()}
    found = labels.differences(_read_labels(first), _read_labels(last), modes)
    return [{"path": path, "a": a, "b": b} for path, (a, b) in sorted(found.items())]


def _rules(first: Built, last: Built) -> dict[str, list[str]]:
    """Return the statements of the compiled policies that differ."""
    if _policy(first) == _policy(last):
        return {"added": [], "removed": []}
    if os.geteuid():
        raise PostolkaError("diff", "reading a policy needs root's rights", hint="sudo …")
    added, removed = comparison.lines(*(_statements(built) for built in (first, last)))
    return {"added": added, "removed": removed}


def _statements(built: Built) -> str:
    """Return a compiled policy as text, by checkpolicy in the image's own tools root."""
    (policy,) = (_policy(built) / _SELINUX / "policy").iterdir()
    argv = ["checkpolicy", "-M", "-b", "-F", "-o", "-", "/policy"]
    said = build.toolbox(built).run(argv, binds={"/policy": policy}).decode(errors="replace")
    # The library counts what it has read, in between.
    return "\n".join(line for line in said.splitlines() if not line.startswith("libsepol."))


def _sizes(store: Store, first: Built, last: Built) -> list[dict[str, Any]]:
    """Return the bytes of each layer's files, where they differ."""
    found = [
        {
            name.partition("-")[2]: sum(int(str(entry[4])) for entry in _record(store, name))
            for name in generation.needs(built.path)
            if name.partition("-")[2] in _SIZES
        }
        for built in (first, last)
    ]
    return [
        {"layer": kind, "a": found[0].get(kind), "b": found[1].get(kind)}
        for kind in _SIZES
        if found[0].get(kind) != found[1].get(kind)
    ]
