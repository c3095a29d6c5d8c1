"""Where Debian's archives are fetched from: the build host knows; no address stands in the project.

POSTOLKA_MIRROR, POSTOLKA_SECURITY_MIRROR
else what the host's apt has fetched lists from, by their labels
else what its sources name, by what the archives are called
else the sources that apt's own documentation gives as an example
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from postolka.errors import PostolkaError
from postolka.run import run

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The variables that name a mirror where apt's configuration has none, or another is wanted.
VARIABLES: Mapping[str, str] = {
    "debian": "POSTOLKA_MIRROR",
    "debian-security": "POSTOLKA_SECURITY_MIRROR",
}
#: Sources of a new Debian; which of the two there is depends on the host's release.
EXAMPLES = (
    Path("/usr/share/doc/apt/examples/debian.sources"),
    Path("/usr/share/doc/apt/examples/sources.list"),
)
_LABELS = {"Debian": "debian", "Debian-Security": "debian-security"}


def find() -> dict[str, str]:
    """Return the address of each archive, with a slash at its end."""
    found = {
        archive: os.environ[variable].rstrip("/") + "/"
        for archive, variable in VARIABLES.items()
        if os.environ.get(variable)
    }
    for source in (_fetched, _configured):
        if len(found) < len(VARIABLES):
            found = {**source(), **found}
    if "debian" in found and "debian-security" not in found:
        # Mirrors carry both side by side under these names.
        beside = re.sub(r"debian/$", "debian-security/", found["debian"])
        if beside != found["debian"]:
            found["debian-security"] = beside
    if len(found) < len(VARIABLES):
        found = {**_documented(), **found}
    for archive, variable in VARIABLES.items():
        if archive not in found:
            raise PostolkaError(
                "apt",
                f"the sources of this machine name no mirror of the archive {archive}",
                hint=f"run apt-get update, or set {variable} to a mirror's address",
            )
    return found


def _fetched() -> dict[str, str]:
    """Return the mirrors that apt has lists from, whatever they call the archives."""
    form = "$(LABEL)\t$(REPO_URI)"
    listing = run(["apt-get", "indextargets", "--format", form, "Created-By: Packages"]).decode()
    found: dict[str, str] = {}
    for line in listing.splitlines():
        label, address = line.split("\t")
        if label in _LABELS and not address.startswith("cdrom:"):
            found.setdefault(_LABELS[label], address)
    return found


def _configured(*options: str) -> dict[str, str]:
    """Return the mirrors in apt's sources; without lists it knows nothing but their addresses."""
    listing = run(["apt-get", *options, "--print-uris", "update"]).decode()
    found: dict[str, str] = {}
    for address in re.findall(r"^'(\S+/)dists/\S+/InRelease'", listing, re.MULTILINE):
        archive = address.split("/")[-2]
        if archive in VARIABLES and not address.startswith("cdrom:"):
            found.setdefault(archive, address)
    return found


def _documented() -> dict[str, str]:
    for example in EXAMPLES:
        if example.exists():
            sources = (f"Dir::Etc::sourcelist={example}", "Dir::Etc::sourceparts=/dev/null")
            return _configured(*(word for option in sources for word in ("-o", option)))
    return {}
