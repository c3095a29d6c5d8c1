"""How an image came to be: an in-toto statement with a SLSA provenance predicate. Pure: no I/O.

https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
https://slsa.dev/spec/v1.0/provenance
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from postolka import __version__, sbom

if TYPE_CHECKING:
    from collections.abc import Mapping

    from postolka.sbom import Subject

#: No address: who publishes images of their own names themselves beside it.
BUILD_TYPE = "urn:postolka:build:1"
BUILDER = "urn:postolka:builder"


def statement(
    subject: Subject,
    *,
    digests: Mapping[str, str],
    inputs: Mapping[str, str],
    settings: Mapping[str, Any],
    revision: str | None,
) -> dict[str, Any]:
    """Return the statement.

    `digests`: SHA-256 of what was made, by name; `inputs`: the hashes that the image's id is over;
    `revision`: the commit of the source, None where it isn't known or the tree was changed.
    """
    source = [{"name": "postolka", "digest": {"gitCommit": revision}}] if revision else []
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {"name": name, "digest": {"sha256": digest}} for name, digest in sorted(digests.items())
        ],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {"settings": dict(settings)},
                "internalParameters": {"inputs": dict(inputs)},
                "resolvedDependencies": [
                    *source,
                    *(
                        {
                            "uri": sbom.purl(package),
                            "name": package.name,
                            "digest": {"sha256": package.sha256},
                        }
                        for package in subject.packages
                    ),
                ],
            },
            "runDetails": {
                "builder": {"id": BUILDER, "version": {"postolka": __version__}},
                "metadata": {"invocationId": subject.id},
            },
        },
    }
