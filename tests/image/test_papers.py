"""What lies beside the checkout's own image: its inputs, bills of materials, and checksums."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

from postolka import derivation, papers
from postolka.generation import manifest

if TYPE_CHECKING:
    from postolka.build import Built
    from postolka.lock import Lock


def test_checksums_hold_for_all_files(built: Built) -> None:
    """`sha256sum -c` agrees, and no file is left out."""
    subprocess.run(
        ["sha256sum", "--check", "--strict", "--quiet", papers.SUMS], cwd=built.path, check=True
    )
    lines = (built.path / papers.SUMS).read_text().splitlines()
    names = {line.partition("  ")[2] for line in lines}
    assert names | {papers.SUMS} == {path.name for path in built.path.iterdir()}


def test_the_bill_of_materials_is_what_dpkg_says(built: Built, locked: Lock) -> None:
    """Each package that is installed in the root is in it, by version; and it keeps its schema."""
    # These parse the grammar of every URL part when they are imported: a second in each worker.
    from cyclonedx.schema import SchemaVersion  # noqa: PLC0415
    from cyclonedx.validation.json import JsonStrictValidator  # noqa: PLC0415

    text = (built.path / papers.CYCLONEDX).read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    told = {
        (one["name"], one["version"])
        for one in json.loads(text)["components"]
        if {"name": "postolka:set", "value": "image"} in one["properties"]
    }
    status = (built.root_layers[-1] / "var/lib/dpkg/status").read_text()
    installed = set()
    for stanza in status.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line)
        if fields.get("Status") == "install ok installed":
            installed.add((fields["Package"], fields["Version"]))
    assert told == installed == {(one.name, one.version) for one in locked.of("image")}


def test_most_licences_are_known(built: Built) -> None:
    """From the copyright files in the root."""
    document = json.loads((built.path / papers.SPDX).read_text())
    packages = document["packages"][1:]
    named = [one for one in packages if "licenseComments" in one]
    assert len(named) > len(packages) / 2


def test_the_id_follows_from_the_inputs_beside_it(built: Built) -> None:
    """The hashes in the manifest give the id; ports and files are the checkout's."""
    hashes = manifest(built.path)["inputs"]
    assert derivation.image_id(hashes) == built.id
    told = papers.read(built.path)
    assert {one["number"] for one in told["ports"]} >= {25, 587, 993}
    assert "pyinfra_deploys/postfix/policy.cil" in told["files"]
    statement = json.loads((built.path / papers.PROVENANCE).read_text())
    internal = statement["predicate"]["buildDefinition"]["internalParameters"]
    assert internal == {"inputs": hashes}
