"""What changed between two versions of a Debian package, from the changelog in its .deb."""

from __future__ import annotations

import gzip
import io
import itertools
import re
import subprocess
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from postolka.run import ENVIRONMENT

if TYPE_CHECKING:
    from pathlib import Path

_HEADER = re.compile(r"^\S+ \(([^)\s]+)\) [^;]*;.*$", re.MULTILINE)
_CVE = re.compile(r"\bCVE-\d{4}-\d{4,7}\b")
_NAME = re.compile(r"changelog(\.Debian(\.\w+)?)?\.gz")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one version brought."""

    version: str
    text: str

    @property
    def cves(self) -> tuple[str, ...]:
        """CVE numbers that it names, sorted."""
        return tuple(sorted(set(_CVE.findall(self.text))))


def is_older(one: str, other: str) -> bool:
    """Whether the Debian version `one` comes before `other`."""
    command = ["dpkg", "--compare-versions", one, "lt", other]
    return subprocess.run(command, check=False, env=dict(ENVIRONMENT)).returncode == 0


def between(text: str, old: str) -> tuple[Entry, ...]:
    """Return the entries of a changelog that came after the version `old`, the newest first."""
    found = []
    headers = list(_HEADER.finditer(text))
    for header, following in itertools.zip_longest(headers, headers[1:]):
        version = header.group(1)
        if version == old or not is_older(old, version):
            break
        end = following.start() if following else len(text)
        found.append(Entry(version=version, text=text[header.start() : end].strip()))
    return tuple(found)


def read(deb: Path, package: str) -> str:
    """Return the Debian changelog in a .deb; empty where there is none, or only a link to one."""
    names: dict[str, str] = {}
    with (
        subprocess.Popen(
            ["dpkg-deb", "--fsys-tarfile", str(deb)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(ENVIRONMENT),
        ) as unpacking,
        tarfile.open(fileobj=unpacking.stdout, mode="r|") as archive,
    ):
        folder = f"./usr/share/doc/{package}/"
        for member in archive:
            name = member.name.removeprefix(folder)
            if member.name.startswith(folder) and member.isfile() and _NAME.fullmatch(name):
                file = archive.extractfile(member)
                content = file.read() if file else b""
                with gzip.open(io.BytesIO(content)) as packed:
                    names[name] = packed.read().decode(errors="replace")
    # Debian's own, where there is upstream's beside it.
    return next(
        (names[name] for name in ("changelog.Debian.gz", *sorted(names)) if name in names), ""
    )
