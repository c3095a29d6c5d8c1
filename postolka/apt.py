"""Resolve packages with the build host's apt, in a private directory and against trixie only.

The host's apt brings its proxies, credentials and transports; its sources, lists and status don't
matter. Every index is checked against the signatures of the host's debian-archive-keyring.
"""

from __future__ import annotations

import contextlib
import fcntl
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING

from postolka import mirrors
from postolka.errors import PostolkaError
from postolka.lock import Lock, Package, Suite
from postolka.run import CommandError, run

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping

ARCHITECTURE = "amd64"
CODENAME = "trixie"
#: Suites of each archive, in the order of a sources list.
SUITES: Mapping[str, tuple[str, ...]] = {
    "debian": (CODENAME, f"{CODENAME}-updates"),
    "debian-security": (f"{CODENAME}-security",),
}
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_HELPER = "/usr/lib/apt/apt-helper"


def lock(
    directory: Path, wanted: Mapping[str, Iterable[str]], progress: Callable[[str], None]
) -> Lock:
    """Return a new lock of what each set in `wanted` needs; apt's lists are kept in `directory`."""
    with opened(directory, progress) as (apt, suites):
        progress("resolving packages: " + ", ".join(wanted))
        return apt.resolve(wanted, suites)


@contextlib.contextmanager
def opened(
    directory: Path, progress: Callable[[str], None]
) -> Iterator[tuple[Apt, tuple[Suite, ...]]]:
    """Give an apt with fresh indexes in `directory`, and the suites; nobody else uses it meanwhile.

    Raises PostolkaError as `Apt.update`.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        apt = Apt(directory)
        progress(f"fetching the indexes of {CODENAME}")
        yield apt, apt.update()


class Apt:
    """apt with a directory of its own; `update` first, then `resolve`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._options: list[str] = []

    def update(self) -> tuple[Suite, ...]:
        """Fetch and verify the indexes; return the suites with their dates.

        Raises PostolkaError where a signature can't be checked or a mirror doesn't answer.
        """
        if not KEYRING.exists():
            raise PostolkaError(
                str(KEYRING),
                "the keys that sign Debian's archives are not on this machine",
                hint="apt-get install debian-archive-keyring",
            )
        self._prepare(mirrors.find())
        try:
            self._run("apt-get", "update", "-qq", "--error-on=any")
        except CommandError as error:
            if "NO_PUBKEY" in error.output or "Missing key" in error.output:
                raise PostolkaError(
                    str(KEYRING),
                    f"has not the keys that sign {CODENAME}:\n{error.output.strip()}",
                    hint="apt-get update && apt-get install debian-archive-keyring",
                ) from error
            raise PostolkaError(
                "apt-get update",
                error.output.strip(),
                hint="check the network, or name another mirror by POSTOLKA_MIRROR",
            ) from error
        return tuple(sorted(self._suites()))

    def resolve(self, wanted: Mapping[str, Iterable[str]], suites: tuple[Suite, ...]) -> Lock:
        """Return a lock with the closure of each set in `wanted`, the essential packages in each.

        Only dependencies are followed, no recommendations: a room names what it needs. Of the set
        kernel only the kernel image itself is locked.
        """
        offered = self.offered()
        needed = essential(text for _, text in offered.values())
        sets: dict[tuple[str, str], list[str]] = {}
        for label, names in wanted.items():
            for found in self.closure(label, {*names, *needed}):
                sets.setdefault(found, []).append(label)
        return Lock(
            suites=suites,
            wanted={label: tuple(sorted(set(names))) for label, names in wanted.items()},
            packages=tuple(
                sorted(package(*offered[found], labels) for found, labels in sets.items())
            ),
        )

    def offered(self, *archives: str) -> dict[tuple[str, str], tuple[str, str]]:
        """Return (archive, stanza) of each name and version in the indexes; the first counts.

        Those of all archives, unless some are named.
        """
        found: dict[tuple[str, str], tuple[str, str]] = {}
        for archive, stanzas in self._indexes(archives or tuple(SUITES)):
            for stanza in stanzas:
                at = (field("Package", stanza), field("Version", stanza))
                found.setdefault(at, (archive, stanza))
        return found

    def closure(self, label: str, names: Iterable[str], *options: str) -> list[tuple[str, str]]:
        """Return (name, version) of all that an empty system gets when it installs `names`.

        Of the set kernel that is only the kernel image itself.
        """
        plan = self.plan(label, *options, *sorted(names))
        found = sorted(INSTALLED.findall(plan))
        return [it for it in found if label != "kernel" or re.match(r"linux-image-\d", it[0])]

    def plan(self, label: str, *words: str) -> str:
        """Return what `apt-get install` says that it would do for the set `label`."""
        # What doesn't fit apt tells on its standard output, and not at all with -qq.
        log = self.directory / "plan.log"
        log.unlink(missing_ok=True)
        argv = ["apt-get", *self._options, "install", "--simulate", "-q", "--yes", *words]
        try:
            run(argv, log=log)
            return log.read_text()
        except CommandError as error:
            raise PostolkaError(
                f"the set {label}",
                f"can't be resolved:\n{error.output.strip()}",
                hint="the PACKAGES of each room name what its service needs",
            ) from error

    def _prepare(self, addresses: Mapping[str, str]) -> None:
        for child in ("lists/partial", "cache/archives/partial"):
            (self.directory / child).mkdir(parents=True, exist_ok=True)
        (self.directory / "status").write_text("")
        sources = self.directory / "postolka.sources"
        sources.write_text(
            "\n".join(
                f"Types: deb\nURIs: {addresses[archive]}\nSuites: {' '.join(suites)}\n"
                f"Components: main\nSigned-By: {KEYRING}\n"
                for archive, suites in SUITES.items()
            )
        )
        options = {
            "Dir::State": self.directory,
            "Dir::State::lists": self.directory / "lists",
            "Dir::State::status": self.directory / "status",
            "Dir::Cache": self.directory / "cache",
            "Dir::Cache::pkgcache": "pkgcache.bin",
            "Dir::Cache::srcpkgcache": "srcpkgcache.bin",
            "Dir::Etc::sourcelist": sources,
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "APT::Architecture": ARCHITECTURE,
            "APT::Architectures": ARCHITECTURE,
            "APT::Install-Recommends": "false",
            "APT::Install-Suggests": "false",
            "APT::Default-Release": "",
            "APT::Get::AllowUnauthenticated": "false",
            "Acquire::AllowInsecureRepositories": "false",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
            # apt's own user may not be able to reach the directory.
            "APT::Sandbox::User": "root",
        }
        self._options = [
            word for key, value in options.items() for word in ("-o", f"{key}={value}")
        ]

    def _run(self, tool: str, *arguments: str) -> str:
        return run([tool, *self._options, *arguments]).decode()

    def _suites(self) -> Iterator[Suite]:
        listing = self._run(
            "apt-get",
            "indextargets",
            "--format",
            "$(FILENAME)\t$(RELEASE)\t$(CODENAME)",
            "Created-By: Packages",
        )
        for line in listing.splitlines():
            filename, release, codename = line.split("\t")
            # LISTS/host_path_dists_SUITE_main_binary-amd64_Packages.lz4
            stem = filename.partition(f"_dists_{release.replace('/', '_')}_")[0]
            text = Path(f"{stem}_dists_{release}_InRelease").read_text()
            date = re.search(r"^Date: (.+)$", text, re.MULTILINE)
            if not date:
                raise PostolkaError(release, "its InRelease file has no date")
            when = parsedate_to_datetime(date.group(1)).astimezone(UTC)
            yield Suite(
                archive=_archive(release),
                suite=release,
                codename=codename,
                date=_iso(when),
            )

    def _indexes(self, archives: Container[str]) -> list[tuple[str, list[str]]]:
        """Return (archive, stanzas) of each suite's index of packages."""
        listing = self._run(
            "apt-get",
            "indextargets",
            "--format",
            "$(FILENAME)\t$(RELEASE)",
            "Created-By: Packages",
        )
        found = []
        for line in listing.splitlines():
            filename, release = line.split("\t")
            if _archive(release) not in archives:
                continue
            text = run([_HELPER, "cat-file", filename]).decode()
            found.append((_archive(release), text.strip("\n").split("\n\n") if text else []))
        return found


#: Name and version of what a plan installs.
INSTALLED = re.compile(r"^Inst (\S+?)(?::\w+)? (?:\[[^]]*\] )?\((\S+) ", re.MULTILINE)


def essential(stanzas: Iterable[str]) -> set[str]:
    """Return the names of the essential packages among those that an index describes."""
    return {field("Package", text) for text in stanzas if "\nEssential: yes\n" in text}


def field(name: str, stanza: str) -> str:
    """Return the one-line field `name` of a package's stanza."""
    match = re.search(rf"^{name}: (.*)$", stanza, re.MULTILINE)
    if not match:
        raise PostolkaError("apt", f"an index has a package without {name}:\n{stanza}")
    return match.group(1)


def package(archive: str, stanza: str, sets: Iterable[str]) -> Package:
    """Return the package that a stanza of an archive's index describes."""
    return Package(
        name=field("Package", stanza),
        version=field("Version", stanza),
        architecture=field("Architecture", stanza),
        archive=archive,
        path=field("Filename", stanza),
        size=int(field("Size", stanza)),
        sha256=field("SHA256", stanza),
        sets=tuple(sets),
    )


def _archive(release: str) -> str:
    return next(archive for archive, suites in SUITES.items() if release in suites)


def _iso(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")
