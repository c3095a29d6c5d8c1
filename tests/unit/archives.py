"""Small archives of Debian's form in a directory, signed by their own key, for the host's apt."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections import defaultdict
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import TYPE_CHECKING

from postolka import apt
from postolka.run import ENVIRONMENT, run

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS = ("apt-get", "gpg", "dpkg-deb")


def missing() -> list[str]:
    """Return the programs that this machine lacks for them."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


class Archives:
    """Both archives below `directory`, with every suite that a lock is made from."""

    def __init__(self, directory: Path, gnupg: Path) -> None:
        self.directory = directory
        self.keyring = directory / "keyring.gpg"
        self._environment = {**ENVIRONMENT, "GNUPGHOME": str(gnupg)}
        self._stanzas: dict[str, dict[str, str]] = defaultdict(dict)
        self.keyring.write_bytes(self._gpg("--export"))

    def _gpg(self, *words: str) -> bytes:
        done = subprocess.run(
            ["gpg", "--batch", "--quiet", *words],
            env=self._environment,
            check=True,
            capture_output=True,
        )
        return done.stdout

    def offer(
        self, name: str, version: str, *fields: str, suite: str = apt.CODENAME, source: str = ""
    ) -> None:
        """Put a package into a suite's index instead of its last version there, and in the pool."""
        archive = next(archive for archive, suites in apt.SUITES.items() if suite in suites)
        path = f"pool/main/{(source or name)[0]}/{source or name}/{name}_{version}_amd64.deb"
        control = "\n".join(
            [
                f"Package: {name}\nVersion: {version}\nArchitecture: amd64",
                "Maintainer: Nobody <nobody@example.org>",
                *fields,
                "Description: for a test\n",
            ]
        )
        tree = self.directory / "tree"
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "DEBIAN/control").write_text(control)
        deb = self.directory / archive / path
        deb.parent.mkdir(parents=True, exist_ok=True)
        run(["dpkg-deb", "--root-owner-group", "--build", str(tree), str(deb)])
        shutil.rmtree(tree)
        hashed = hashlib.sha256(deb.read_bytes()).hexdigest()
        self._stanzas[suite][name] = (
            f"{control}Filename: {path}\nSize: {deb.stat().st_size}\nSHA256: {hashed}\n"
        )

    def sign(self, day: int) -> None:
        """Write and sign the indexes as of that day of January 2026."""
        for archive, suites in apt.SUITES.items():
            for suite in suites:
                dist = self.directory / archive / "dists" / suite
                where = "main/binary-amd64/Packages"
                (dist / where).parent.mkdir(parents=True, exist_ok=True)
                text = "\n".join(self._stanzas[suite].values()).encode()
                (dist / where).write_bytes(text)
                (dist / "Release").write_text(
                    f"Origin: Debian\nSuite: {suite.replace('trixie', 'stable')}\n"
                    f"Codename: {suite}\nDate: {format_datetime(_when(day), usegmt=True)}\n"
                    f"Architectures: amd64\nComponents: main\nSHA256:\n"
                    f" {hashlib.sha256(text).hexdigest()} {len(text)} {where}\n"
                )
                new = ("--yes", "--output", str(dist / "InRelease"))
                self._gpg("--clearsign", *new, str(dist / "Release"))
                # apt takes a file of the same size and second for the one that it has.
                seconds = _when(day).timestamp()
                os.utime(dist / "InRelease", (seconds, seconds))


def _when(day: int) -> datetime:
    return datetime(2026, 1, day, 12, tzinfo=UTC)


def signed(directory: Path) -> Iterator[Archives]:
    """Give empty archives in `directory`; their key is gone afterwards."""
    # gpg's agent listens on a socket here: its path must be short.
    with tempfile.TemporaryDirectory(prefix="gpg-") as name:
        environment = {**ENVIRONMENT, "GNUPGHOME": name}
        made = ("--batch", "--quiet", "--pinentry-mode=loopback", "--passphrase", "")
        key = ("--quick-generate-key", "Archive <archive@example.org>", "ed25519", "sign", "never")
        subprocess.run(["gpg", *made, *key], env=environment, check=True, capture_output=True)
        try:
            yield Archives(directory, Path(name))
        finally:
            subprocess.run(["gpgconf", "--kill", "all"], env=environment, check=True)
