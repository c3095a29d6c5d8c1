"""The lock: every Debian package that an image, its build tools and the lab are made of.

A JSON document, format 1, with one package a line so that a change reads well in git:

    {"format": 1,
     "suites": [{"archive", "suite", "codename", "date"}...],     date: of its InRelease, UTC
     "wanted": {"image": [NAME...], "kernel"..., "tools"..., "lab"...},         what for
     "packages": [{"name", "version", "architecture", "archive", "path", "size", "sha256",
                   "sets": ["image"...]}...]}

`path` is the path in the archive's pool; no host is named. Pure: no I/O.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from postolka.errors import PostolkaError, Problem, ProblemsError

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping

FORMAT = 1
ARCHIVES = ("debian", "debian-security")
#: image: installed in it; kernel: unpacked into it; mkosi-image: what mkosi installs, to compare;
#: the others: unpacked roots of their own.
SETS = ("image", "kernel", "tools", "lab", "clients", "mkosi", "mkosi-image")
REFRESH = "postolka lock --update"
_DATE = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Package:
    """One binary package by version and hash."""

    name: str
    version: str
    architecture: str
    archive: str
    """Key of the mirror that has it: debian or debian-security."""
    path: str
    """Path below the mirror's root, `pool/...`."""
    size: int
    """Bytes of the .deb."""
    sha256: str
    sets: tuple[str, ...]
    """Where it is used: names out of SETS."""

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def source(self) -> str:
        """The name of the source package, after which its directory in the pool is called."""
        return self.path.split("/")[-2]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Suite:
    """One suite, as its signed InRelease file described it when the lock was made."""

    archive: str
    suite: str
    codename: str
    date: str
    """Date of the InRelease file, UTC, as 2026-01-31T12:00:00Z."""

    @property
    def when(self) -> datetime:
        """The date as a point in time."""
        return datetime.strptime(self.date, _DATE).replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A whole lock; packages are sorted by name and each name is there once."""

    suites: tuple[Suite, ...]
    wanted: Mapping[str, tuple[str, ...]]
    packages: tuple[Package, ...]

    @property
    def source_date_epoch(self) -> int:
        """Seconds since 1970 of the newest suite: the only date that a build knows."""
        return max(int(suite.when.timestamp()) for suite in self.suites)

    def of(self, name: str) -> tuple[Package, ...]:
        """Return the packages of the set `name`, by name."""
        return tuple(package for package in self.packages if name in package.sets)

    def only(self, name: str, wanted: tuple[str, ...], packages: Container[str]) -> Lock:
        """Return the lock whose set `name` is of these packages alone, for `wanted` among them."""
        kept = []
        for package in self.packages:
            if package.name in packages:
                kept.append(package)
            elif sets := tuple(label for label in package.sets if label != name):
                kept.append(replace(package, sets=sets))
        wants = {**self.wanted, name: wanted}
        return replace(self, wanted=wants, packages=tuple(kept))

    def check(self, wanted: Mapping[str, Iterable[str]], *, where: str = "postolka.lock") -> None:
        """Raise PostolkaError unless the lock was made for exactly these names, set by set."""
        problems = []
        for name, wants in wanted.items():
            has, needs = set(self.wanted.get(name, ())), set(wants)
            problems += [Problem(name, f"{package} is not in the lock") for package in needs - has]
            problems += [Problem(name, f"{package} is needed no more") for package in has - needs]
        if problems:
            raise ProblemsError(where, problems, hint=REFRESH)


def parse(text: str, *, where: str = "postolka.lock") -> Lock:
    """Read a lock; raises ProblemsError with every problem, PostolkaError where it isn't JSON."""
    try:
        data = json.loads(text)
    except ValueError as error:
        raise PostolkaError(where, f"not JSON: {error}", hint=REFRESH) from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise PostolkaError(where, f"not a lock of format {FORMAT}", hint=REFRESH)
    unknown = data.keys() - {"format", "suites", "wanted", "packages"}
    problems = [Problem(key, "no such field") for key in unknown]
    suites = _records(data, "suites", Suite, _SUITE, problems)
    packages = _records(data, "packages", Package, _PACKAGE, problems)
    wanted = _wanted(data.get("wanted"), problems)
    names = Counter(str(package.get("name")) for package in packages)
    problems += [
        Problem(f"packages.{name}", "is there twice") for name, count in names.items() if count > 1
    ]
    if problems:
        raise ProblemsError(where, problems, hint=REFRESH)
    return Lock(
        suites=tuple(Suite(**suite) for suite in suites),
        wanted=wanted,
        packages=tuple(
            sorted(Package(**{**package, "sets": tuple(package["sets"])}) for package in packages)
        ),
    )


def serialise(lock: Lock) -> str:
    """Return the lock's text; equal locks have equal text."""
    wanted = {name: sorted(names) for name, names in sorted(lock.wanted.items())}
    rows = {
        "suites": [asdict(suite) for suite in sorted(lock.suites)],
        "packages": [asdict(package) for package in sorted(lock.packages)],
    }
    parts = [f'"format": {FORMAT}']
    for key, items in rows.items():
        lines = ",\n".join(json.dumps(item, ensure_ascii=False) for item in items)
        parts.append(f'"{key}": [\n{lines}\n]')
    sets = ",\n".join(f'"{name}": {json.dumps(names)}' for name, names in wanted.items())
    parts.insert(2, f'"wanted": {{\n{sets}\n}}')
    return "{" + ",\n".join(parts) + "}\n"


def _is_date(text: object) -> bool:
    try:
        return bool(datetime.strptime(str(text), _DATE).replace(tzinfo=UTC))
    except ValueError:
        return False


def _matches(pattern: str) -> Callable[[object], bool]:
    compiled = re.compile(pattern)
    return lambda value: isinstance(value, str) and bool(compiled.fullmatch(value))


def _is_path(value: object) -> bool:
    return (
        isinstance(value, str)
        and bool(re.fullmatch(r"pool/[\x21-\x7e]+\.deb", value))
        and ".." not in value.split("/")
    )


_NAME = r"[a-z0-9][a-z0-9+.-]+"
_SUITE: dict[str, tuple[Callable[[object], bool], str]] = {
    "archive": (ARCHIVES.__contains__, f"one of {', '.join(ARCHIVES)}"),
    "suite": (_matches(r"[a-z][a-z0-9.-]*"), "the name of a suite"),
    "codename": (_matches(r"[a-z][a-z0-9.-]*"), "a codename"),
    "date": (_is_date, "a date such as 2026-01-31T12:00:00Z"),
}
_PACKAGE: dict[str, tuple[Callable[[object], bool], str]] = {
    "name": (_matches(_NAME), "the name of a Debian package"),
    "version": (_matches(r"[0-9A-Za-z][0-9A-Za-z.+~:-]*"), "a Debian version"),
    "architecture": (_matches(r"[a-z0-9-]+"), "an architecture"),
    "archive": (ARCHIVES.__contains__, f"one of {', '.join(ARCHIVES)}"),
    "path": (_is_path, "a path of a .deb below pool/"),
    "size": (lambda value: type(value) is int and value > 0, "a number of bytes"),
    "sha256": (_matches(r"[0-9a-f]{64}"), "64 lower-case hex digits"),
    "sets": (
        lambda value: (
            isinstance(value, list)
            and bool(value)
            and all(isinstance(name, str) and name in SETS for name in value)
        ),
        f"a list of {', '.join(SETS)}",
    ),
}


def _records(
    data: Mapping[str, Any],
    key: str,
    kind: type,
    checks: Mapping[str, tuple[Callable[[object], bool], str]],
    problems: list[Problem],
) -> list[dict[str, Any]]:
    """Return data[key] as dictionaries with exactly the fields of `kind`; note what is wrong."""
    rows = data.get(key)
    if not isinstance(rows, list) or not rows:
        problems.append(Problem(key, "must be a list that isn't empty"))
        return []
    found = []
    names = {item.name for item in fields(kind)}
    for number, row in enumerate(rows):
        at = f"{key}[{number}]"
        if not isinstance(row, dict):
            problems.append(Problem(at, "must be an object"))
            continue
        problems += [Problem(f"{at}.{name}", "no such field") for name in row.keys() - names]
        for name in sorted(names):
            is_right, kind_of_value = checks[name]
            if name not in row:
                problems.append(Problem(f"{at}.{name}", "is missing"))
            elif not is_right(row[name]):
                problems.append(Problem(f"{at}.{name}", f"must be {kind_of_value}"))
        found.append(row)
    return found


def _wanted(data: object, problems: list[Problem]) -> dict[str, tuple[str, ...]]:
    if not isinstance(data, dict) or sorted(data) != sorted(SETS):
        problems.append(Problem("wanted", f"must have the sets {', '.join(SETS)}"))
        return {}
    found = {}
    is_name = _matches(_NAME)
    for name, values in sorted(data.items()):
        if isinstance(values, list) and all(is_name(value) for value in values):
            found[name] = tuple(values)
        else:
            problems.append(Problem(f"wanted.{name}", "must be a list of package names"))
    return found
