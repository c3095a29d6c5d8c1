"""What lies beside an image and isn't part of it: what it is made of, from what, and checksums.

inputs.json           every input that its id is over, down to files, settings and operations
sbom.spdx.json        bill of materials, SPDX 2.3
sbom.cdx.json         the same, CycloneDX 1.6
provenance.json       in-toto statement, SLSA provenance v1
SHA256SUMS            of all files beside it, as sha256sum(1) reads it
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from postolka import derivation, generation, home, provenance, sbom, trees
from postolka.errors import PostolkaError
from postolka.layers.image import version
from postolka.run import run
from postolka.store import digest
from pyinfra_deploys import server

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from postolka.layers.context import Context
    from postolka.trees import Hashes

INPUTS = "inputs.json"
SPDX = "sbom.spdx.json"
CYCLONEDX = "sbom.cdx.json"
PROVENANCE = "provenance.json"
SUMS = "SHA256SUMS"
FORMAT = 1


def inputs(context: Context, plan: Sequence[Mapping[str, Any]], checkout: Path) -> dict[str, Any]:
    """Return every input of an image, as INPUTS holds it."""
    house = server.house(context.settings)
    packages = [
        asdict(package)
        for package in context.lock.packages
        if set(package.sets) & set(derivation.SETS)
    ]
    return {
        "format": FORMAT,
        "lock": {
            "source_date_epoch": context.lock.source_date_epoch,
            "suites": [asdict(suite) for suite in context.lock.suites],
            "packages": packages,
        },
        "settings": context.settings.as_data(),
        "files": derivation.files(checkout),
        "operations": [[str(step["name"]), digest(step)] for step in plan],
        "ports": house["ports"],
        "egress": house["egress"],
        "units": house["units"],
        "revision": _revision(checkout),
    }


def write(
    out: Path,
    context: Context,
    hashes: Mapping[str, str],
    explained: Mapping[str, Any],
    *,
    root: Path,
) -> None:
    """Write all of them into `out`, where everything else is already.

    `hashes`: what the image's id is over; `root`: the packages' root, for their licences.
    """
    known = context.store.hashes
    subject = sbom.Subject(
        id=context.id,
        version=version(context),
        lock=context.lock,
        sets=derivation.SETS,
        licences=_licences(root),
    )
    made = _digests(out, known)
    disk = {name: made[name] for name in ("disk.raw",) if name in made}
    documents = {
        INPUTS: explained,
        SPDX: sbom.spdx(subject),
        CYCLONEDX: sbom.cyclonedx(subject, disk),
        PROVENANCE: provenance.statement(
            subject,
            digests=made,
            inputs=hashes,
            settings=context.settings.as_data(),
            revision=explained["revision"],
        ),
    }
    for name, document in documents.items():
        (out / name).write_text(json.dumps(document, indent=1) + "\n")
    sums = sorted(_digests(out, known).items())
    (out / SUMS).write_text("".join(f"{content}  {name}\n" for name, content in sums))


def read(path: Path) -> dict[str, Any]:
    """Read the inputs of the finished build at `path`."""
    try:
        data: dict[str, Any] = json.loads((path / INPUTS).read_text())
    except FileNotFoundError as error:
        problem = "was built before images told their inputs"
        raise PostolkaError(str(path), problem, hint="postolka build") from error
    except ValueError as error:
        raise PostolkaError(str(path / INPUTS), f"not JSON: {error}") from error
    if data.get("format") != FORMAT:
        raise PostolkaError(str(path / INPUTS), f"not of format {FORMAT}")
    return data


def handed_over(name: str) -> Path | None:
    """Return the directory called `name`, if it holds an image that has left its store."""
    path = Path(name)
    is_stored = (path / generation.MANIFEST).exists() and path.resolve().parent == (
        home.store().resolve()
    )
    return path if (path / SUMS).is_file() and not is_stored else None


def sums(path: Path) -> bytes:
    """Return what a signature of the image at `path` is about."""
    try:
        return (path / SUMS).read_bytes()
    except FileNotFoundError as error:
        raise PostolkaError(str(path), f"has no {SUMS}", hint="postolka build") from error


def _digests(directory: Path, known: Hashes) -> dict[str, str]:
    return {
        str(where): str(content)
        for where, _, _, _, _, content, _ in trees.entries(directory, known)
        if where != "."
    }


def _licences(root: Path) -> dict[str, tuple[str, ...]]:
    found = {}
    for file in root.glob("usr/share/doc/*/copyright"):
        if file.is_file() and not file.is_symlink():
            names = sbom.licences(file.read_text(errors="replace"))
            if names:
                found[file.parent.name] = names
    return found


def _revision(checkout: Path) -> str | None:
    """Return the commit that the checkout is at, if git knows it and nothing was changed."""
    git = ["git", "-c", "safe.directory=*", "-C", str(checkout)]
    try:
        commit = run([*git, "rev-parse", "HEAD"]).decode().strip()
        is_clean = not run([*git, "status", "--porcelain", "--untracked-files=no"])
    except PostolkaError:
        return None
    return commit if is_clean and re.fullmatch(r"[0-9a-f]{40,64}", commit) else None
