"""Where Debian's archives are fetched from: the build host knows; no address stands in the project.

POSTOLKA_MIRROR, POSTOLKA_SECURITY_MIRROR
else what the host's apt has fetched lists from, by their labels
else what its sources name, by what the archives are called
else the sources that apt's own documentation gives as an example

A mirror may lie in a directory of this machine, as file:/PATH. POSTOLKA_SNAPSHOT names where
Debian's snapshot service, or a copy of it, has its archives: ADDRESS/ARCHIVE/DATE/pool/...
"""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from postolka.errors import PostolkaError
from postolka.run import run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from postolka.lock import Suite

#: The variables that name a mirror where apt's configuration has none, or another is wanted.
VARIABLES: Mapping[str, str] = {
    "debian": "POSTOLKA_MIRROR",
    "debian-security": "POSTOLKA_SECURITY_MIRROR",
}
#: The variable that names the archive of Debian's snapshot service; there is no default.
SNAPSHOT = "POSTOLKA_SNAPSHOT"
#: The service answers by the last state before the date that is asked for, and records a state some
#: time after it was signed. What an index has named stays in the pool for longer than this.
_LATER = timedelta(hours=24)
#: Sources of a new Debian; which of the two there is depends on the host's release.
EXAMPLES = (
    Path("/usr/share/doc/apt/examples/debian.sources"),
    Path("/usr/share/doc/apt/examples/sources.list"),
)
_LABELS = {"Debian": "debian", "Debian-Security": "debian-security"}


def find() -> dict[str, str]:
    """Return the address of each archive, with a slash at its end."""
    found = {
        archive: _address(os.environ[variable])
        for archive, variable in VARIABLES.items()
        if os.environ.get(variable)
    }
    if found.get("debian", "").startswith("copy:"):
        # In a directory is what there is of a mirror: what the host's apt knows counts after it.
        found = {**_beside(found), **found}
    for source in (_fetched, _configured):
        if len(found) < len(VARIABLES):
            found = {**source(), **found}
    found = {**_beside(found), **found}
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


def _beside(found: Mapping[str, str]) -> dict[str, str]:
    """Return the security archive beside the main one: mirrors carry both under these names."""
    main = found.get("debian", "")
    beside = re.sub(r"debian/$", "debian-security/", main)
    return {"debian-security": beside} if beside != main else {}


def snapshots(suites: Iterable[Suite]) -> dict[str, str]:
    """Return where the snapshot service has each archive as it was when a lock was made.

    Empty where POSTOLKA_SNAPSHOT isn't set.
    """
    base = os.environ.get(SNAPSHOT)
    if not base:
        return {}
    dates: dict[str, datetime] = {}
    for suite in suites:
        dates[suite.archive] = max(suite.when, dates.get(suite.archive, suite.when))
    return {
        archive: f"{_address(base)}{archive}/{when + _LATER:%Y%m%dT%H%M%SZ}/"
        for archive, when in dates.items()
    }


def _address(given: str) -> str:
    """Return an address with a slash at its end; apt fetches from a directory by `copy`."""
    return re.sub(r"^file:(//(?=/))?", "copy:", given).rstrip("/") + "/"


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
