"""An image's bill of materials, from its lock, in two standard forms. Pure: no I/O.

SPDX 2.3 (https://spdx.github.io/spdx-spec/v2.3/) and CycloneDX 1.6 (https://cyclonedx.org/docs/1.6/).
Packages of the set `tools` make the image and, in part, its initrd; they are told apart from those
that it contains.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from postolka import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from postolka.lock import Lock, Package

#: Sets of the lock whose packages an image contains.
CONTAINED = frozenset({"image", "kernel"})
_DISTRIBUTION = "debian-13"
#: Debian's short names, in lower case, that have an SPDX identifier.
_LICENCES = {
    "apache-2.0": "Apache-2.0",
    "artistic": "Artistic-1.0-Perl",
    "artistic-2.0": "Artistic-2.0",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "bsd-4-clause": "BSD-4-Clause",
    "cc0-1.0": "CC0-1.0",
    "expat": "MIT",
    "gfdl-1.3+": "GFDL-1.3-or-later",
    "gpl-1+": "GPL-1.0-or-later",
    "gpl-2": "GPL-2.0-only",
    "gpl-2+": "GPL-2.0-or-later",
    "gpl-3": "GPL-3.0-only",
    "gpl-3+": "GPL-3.0-or-later",
    "isc": "ISC",
    "lgpl-2": "LGPL-2.0-only",
    "lgpl-2+": "LGPL-2.0-or-later",
    "lgpl-2.1": "LGPL-2.1-only",
    "lgpl-2.1+": "LGPL-2.1-or-later",
    "lgpl-3": "LGPL-3.0-only",
    "lgpl-3+": "LGPL-3.0-or-later",
    "mpl-1.1": "MPL-1.1",
    "mpl-2.0": "MPL-2.0",
    "openssl": "OpenSSL",
    "zlib": "Zlib",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What the bill is of."""

    id: str
    """The image's id."""
    version: str
    lock: Lock
    sets: tuple[str, ...]
    """Sets of the lock that it was made from."""
    licences: Mapping[str, tuple[str, ...]]
    """Package's name -> short names in its machine-readable copyright file."""

    @property
    def packages(self) -> list[Package]:
        """All that it was made from, by name."""
        return [p for p in self.lock.packages if set(p.sets) & set(self.sets)]

    @property
    def date(self) -> str:
        """The lock's date: the only one that a build knows."""
        return datetime.fromtimestamp(self.lock.source_date_epoch, UTC).strftime(
            "%Y-%m-%dT%H:%M:%SZ"
        )


def licences(copyright_file: str) -> tuple[str, ...]:
    """Return the short names in a machine-readable copyright file; none in any other."""
    if not copyright_file.startswith("Format:"):
        return ()
    found = re.findall(r"^License:[ \t]*(\S.*?)[ \t]*$", copyright_file, re.MULTILINE)
    return tuple(sorted(set(found)))


def purl(package: Package) -> str:
    """Return the package's URL (https://github.com/package-url/purl-spec), type deb."""
    # pool/main/p/postfix/postfix-mysql_....deb: advisories go by the source package.
    source = package.path.split("/")[-2]
    upstream = "" if source == package.name else f"&upstream={quote(source, safe='')}"
    return (
        f"pkg:deb/debian/{quote(package.name, safe='')}@{quote(package.version, safe='')}"
        f"?arch={package.architecture}&distro={_DISTRIBUTION}{upstream}"
    )


def spdx(subject: Subject) -> dict[str, Any]:
    """Return the bill as an SPDX 2.3 document."""
    image = {
        "SPDXID": "SPDXRef-image",
        "name": "postolka",
        "versionInfo": subject.version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "primaryPackagePurpose": "OPERATING_SYSTEM",
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
    }
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"postolka-{subject.version}",
        "documentNamespace": f"https://spdx.org/spdxdocs/postolka-{subject.id}",
        "creationInfo": {"created": subject.date, "creators": [f"Tool: postolka-{__version__}"]},
        "packages": [image, *(_spdx_package(p, subject) for p in subject.packages)],
        "relationships": [
            _related("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-image"),
            *(
                _related("SPDXRef-image", "CONTAINS", _reference(p))
                if CONTAINED & set(p.sets)
                else _related(_reference(p), "BUILD_TOOL_OF", "SPDXRef-image")
                for p in subject.packages
            ),
        ],
    }


def _spdx_package(package: Package, subject: Subject) -> dict[str, Any]:
    names = subject.licences.get(package.name, ())
    comments = {"licenseComments": f"In the copyright file: {'; '.join(names)}"} if names else {}
    return {
        "SPDXID": _reference(package),
        "name": package.name,
        "versionInfo": package.version,
        "packageFileName": package.path.rpartition("/")[2],
        "supplier": "Organization: Debian",
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "checksums": [{"algorithm": "SHA256", "checksumValue": package.sha256}],
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": _expression(names),
        **comments,
        "copyrightText": "NOASSERTION",
        "externalRefs": [
            {
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": purl(package),
            }
        ],
    }


def _related(one: str, kind: str, other: str) -> dict[str, str]:
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}


def _reference(package: Package) -> str:
    return "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", package.name)


def _expression(names: Iterable[str]) -> str:
    """Return an SPDX expression, where every name has an identifier."""
    found = [_LICENCES.get(name.lower()) for name in names]
    known = sorted({one for one in found if one})
    return " AND ".join(known) if known and all(found) else "NOASSERTION"


def cyclonedx(subject: Subject, digests: Mapping[str, str]) -> dict[str, Any]:
    """Return the bill as a CycloneDX 1.6 document; `digests`: the disk's SHA-256."""
    hashes = [{"alg": "SHA-256", "content": digest} for digest in digests.values()]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, subject.id)}",
        "version": 1,
        "metadata": {
            "timestamp": subject.date,
            "tools": {
                "components": [{"type": "application", "name": "postolka", "version": __version__}]
            },
            "component": {
                "type": "operating-system",
                "bom-ref": "image",
                "name": "postolka",
                "version": subject.version,
                **({"hashes": hashes} if hashes else {}),
            },
        },
        "components": [_component(p, subject) for p in subject.packages],
    }


def _component(package: Package, subject: Subject) -> dict[str, Any]:
    names = subject.licences.get(package.name, ())
    told = [
        {
            "license": {"id": _LICENCES[name.lower()]}
            if name.lower() in _LICENCES
            else {"name": name}
        }
        for name in names
    ]
    return {
        "type": "library",
        "bom-ref": purl(package),
        "name": package.name,
        "version": package.version,
        "scope": "required" if CONTAINED & set(package.sets) else "excluded",
        "hashes": [{"alg": "SHA-256", "content": package.sha256}],
        **({"licenses": told} if told else {}),
        "purl": purl(package),
        "properties": [
            {"name": "postolka:set", "value": name} for name in package.sets if name in subject.sets
        ],
    }
