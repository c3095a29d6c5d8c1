"""Bills of materials and provenance: valid by their standards, and true to the lock."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from postolka import provenance, sbom
from postolka.lock import Lock, Package, Suite

if TYPE_CHECKING:
    from pathlib import Path


def _package(name: str, version: str, source: str, *sets: str) -> Package:
    return Package(
        name=name,
        version=version,
        architecture="amd64",
        archive="debian",
        path=f"pool/main/x/{source}/{name}_{version.partition(':')[2] or version}_amd64.deb",
        size=1,
        sha256=name[0].encode().hex()[0] * 64,
        sets=sets,
    )


LOCK = Lock(
    suites=(
        Suite(archive="debian", suite="trixie", codename="trixie", date="2026-01-31T12:00:00Z"),
    ),
    wanted={},
    packages=(
        _package("bind9", "1:9.20.11-4+deb13u1~x", "bind9", "image", "lab"),
        _package("erofs-utils", "1.8.6-1", "erofs-utils", "tools"),
        _package("libstdc++6", "14.2.0-19", "gcc-14", "image", "tools"),
        _package("linux-image-6.12", "6.12.1-1", "linux", "kernel"),
        _package("swaks", "1-1", "swaks", "lab"),
    ),
)
SUBJECT = sbom.Subject(
    id="f" * 64,
    version="0.1.0-ffffffff",
    lock=LOCK,
    sets=("image", "kernel", "tools"),
    licences={"bind9": ("MPL-2.0", "Expat"), "libstdc++6": ("GPL-3+ with GCC exception",)},
)
DISK = {"disk.raw": "d" * 64}


def test_cyclonedx_keeps_its_schema() -> None:
    """The official schema of 1.6, strictly."""
    # These parse the grammar of every URL part when they are imported: a second in each worker.
    from cyclonedx.schema import SchemaVersion  # noqa: PLC0415
    from cyclonedx.validation.json import JsonStrictValidator  # noqa: PLC0415

    text = json.dumps(sbom.cyclonedx(SUBJECT, DISK))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    broken = text.replace('"SHA-256"', '"SHA-257"')
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(broken) is not None


@pytest.mark.filterwarnings("default")  # of the validator's own libraries
def test_spdx_is_valid(tmp_path: Path) -> None:
    """By the SPDX project's own parser and validator for 2.3."""
    from spdx_tools.spdx.parser.parse_anything import parse_file  # noqa: PLC0415
    from spdx_tools.spdx.validation.document_validator import (  # noqa: PLC0415
        validate_full_spdx_document,
    )

    path = tmp_path / "sbom.spdx.json"
    path.write_text(json.dumps(sbom.spdx(SUBJECT)))
    assert validate_full_spdx_document(parse_file(str(path)), "SPDX-2.3") == []
    broken = {**sbom.spdx(SUBJECT), "documentNamespace": "no namespace"}
    path.write_text(json.dumps(broken))
    assert validate_full_spdx_document(parse_file(str(path)), "SPDX-2.3") != []


def test_both_name_every_package_of_the_image_and_its_tools() -> None:
    """With version, hash and what it is there for; the lab isn't in an image."""
    names = ["bind9", "erofs-utils", "libstdc++6", "linux-image-6.12"]
    components = sbom.cyclonedx(SUBJECT, DISK)["components"]
    assert [one["name"] for one in components] == names
    assert [one["scope"] for one in components] == ["required", "excluded", "required", "required"]
    document = sbom.spdx(SUBJECT)
    assert [one["name"] for one in document["packages"][1:]] == names
    for package, component, told in zip(
        SUBJECT.packages, components, document["packages"][1:], strict=True
    ):
        assert component["version"] == told["versionInfo"] == package.version
        assert component["hashes"][0]["content"] == package.sha256
        assert told["checksums"][0]["checksumValue"] == package.sha256
    kinds = {
        one["relatedSpdxElement"]: one["relationshipType"] for one in document["relationships"]
    }
    assert kinds["SPDXRef-bind9"] == "CONTAINS"
    assert {
        "spdxElementId": "SPDXRef-erofs-utils",
        "relationshipType": "BUILD_TOOL_OF",
        "relatedSpdxElement": "SPDXRef-image",
    } in document["relationships"]


def test_package_urls_escape_and_name_the_source() -> None:
    """An epoch's colon and a plus are escaped; advisories go by the source package."""
    bind, _, library, _ = SUBJECT.packages
    assert sbom.purl(bind) == (
        "pkg:deb/debian/bind9@1%3A9.20.11-4%2Bdeb13u1~x?arch=amd64&distro=debian-13"
    )
    assert sbom.purl(library) == (
        "pkg:deb/debian/libstdc%2B%2B6@14.2.0-19?arch=amd64&distro=debian-13&upstream=gcc-14"
    )


def test_licences_are_told_where_they_are_sure() -> None:
    """All of a file's names known: an expression. One that isn't: no assertion, but the names."""
    text = "Format: x\n\nFiles: *\nLicense: GPL-2+\n text\n\nFiles: a\nLicense: Expat\nLicense:\n"
    assert sbom.licences(text) == ("Expat", "GPL-2+")
    assert sbom.licences("This package was debianized by\nLicense: GPL-2\n") == ()
    packages = {one["name"]: one for one in sbom.spdx(SUBJECT)["packages"]}
    assert packages["bind9"]["licenseDeclared"] == "MIT AND MPL-2.0"
    assert packages["libstdc++6"]["licenseDeclared"] == "NOASSERTION"
    assert "GCC exception" in packages["libstdc++6"]["licenseComments"]
    assert packages["erofs-utils"]["licenseDeclared"] == "NOASSERTION"


def test_equal_images_have_equal_bills() -> None:
    """No time of the making and no random number is in them."""
    for make in (sbom.spdx, lambda subject: sbom.cyclonedx(subject, DISK)):
        assert make(SUBJECT) == make(SUBJECT)


def test_provenance_names_what_was_made_and_from_what() -> None:
    """An in-toto statement, version 1, about the disk; each dependency has its hash."""
    told = provenance.statement(
        SUBJECT, digests=DISK, inputs={"lock": "1"}, settings={"a": {"b": 1}}, revision="c" * 40
    )
    assert told["_type"] == "https://in-toto.io/Statement/v1"
    assert told["predicateType"] == "https://slsa.dev/provenance/v1"
    assert told["subject"] == [{"name": "disk.raw", "digest": {"sha256": "d" * 64}}]
    definition = told["predicate"]["buildDefinition"]
    assert definition["buildType"]
    assert definition["externalParameters"] == {"settings": {"a": {"b": 1}}}
    source, *packages = definition["resolvedDependencies"]
    assert source["digest"] == {"gitCommit": "c" * 40}
    assert [one["digest"]["sha256"] for one in packages] == [p.sha256 for p in SUBJECT.packages]
    assert told["predicate"]["runDetails"]["builder"]["id"]
    changed = provenance.statement(SUBJECT, digests=DISK, inputs={}, settings={}, revision=None)
    dependencies = changed["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert len(dependencies) == len(packages)
