"""Update a part of a lock: what is named, or what is insecure, and no more than that needs.

apt sees a system on which each set's locked packages are installed, and upgrades as it would on a
machine: whatever still fits what is new stays at its version. A locked package that has left the
indexes is described by its .deb.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from postolka import apt as apts
from postolka import changelog
from postolka.debs import UnavailableError
from postolka.errors import PostolkaError, Problem, ProblemsError
from postolka.lock import REFRESH, Lock
from postolka.run import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from postolka.apt import Apt
    from postolka.debs import Debs
    from postolka.lock import Package

_SECURITY = "debian-security"
_KERNEL = "kernel"
_REMOVED = re.compile(r"^Remv (\S+?)(?::\w+)? ", re.MULTILINE)


def named(old: Lock, wanted: Mapping[str, Iterable[str]], names: Iterable[str]) -> set[str]:
    """Return the packages that `names` of binary or source packages mean: all of their sources.

    Raises ProblemsError for each name that the lock doesn't have and no room wants.
    """
    sources = {p.source for p in old.packages if {p.name, p.source} & set(names)}
    found = {p.name for p in old.packages if p.source in sources}
    known = {p.source for p in old.packages}.union(found, *wanted.values())
    problems = [Problem(name, "is no package of the lock's") for name in set(names) - known]
    if problems:
        hint = "the names are those of Debian's binary or source packages"
        raise ProblemsError("--update", problems, hint=hint)
    return found | {name for name in names if any(name in some for some in wanted.values())}


def update(  # noqa: PLR0913 - what is there, what is asked for, and by what means
    old: Lock,
    wanted: Mapping[str, tuple[str, ...]],
    names: Iterable[str] | None,
    *,
    directory: Path,
    debs: Debs,
    progress: Callable[[str], None],
) -> Lock:
    """Return the lock with `names` at the newest version; None: whatever is insecure, at its fix.

    What these need goes with them, what nothing needs any more goes, what rooms want anew comes.
    It is the old lock where no package changes. apt's lists are kept in `directory`.

    Raises PostolkaError where that can't be resolved.
    """
    touched = set() if names is None else named(old, wanted, names)
    with apts.opened(directory, progress) as (apt, suites):
        part = _Part(apt, old, wanted, is_security=names is None)
        if names is None:
            touched = part.insecure()
        part.describe(debs, progress)
        while True:
            progress("resolving packages: " + (", ".join(sorted(touched)) or "none is touched"))
            sets = {label: part.resolve(label, touched) for label in wanted}
            # A version is the same in every set: what one upgrades, the others do, too.
            moved = {name for found in sets.values() for name in found.items() - part.versions}
            changed = {name for name, _ in moved}
            if changed <= touched:
                break
            touched |= changed
        new = Lock(suites=suites, wanted=wanted, packages=part.packages(sets))
    is_same = new.packages == old.packages and _sorted(old.wanted) == _sorted(wanted)
    return old if is_same else new


def _sorted(wanted: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    return {label: sorted(names) for label, names in wanted.items()}


class _Part:
    """A lock that is being updated, and what apt is told about it."""

    def __init__(
        self, apt: Apt, old: Lock, wanted: Mapping[str, tuple[str, ...]], *, is_security: bool
    ) -> None:
        self._apt = apt
        self._old = old
        self._wanted = wanted
        self._is_security = is_security
        self._offered = apt.offered()
        # A point release has fixes, too, at the same version.
        self._fixes = set(apt.offered(_SECURITY)) if is_security else set()
        self._stanzas: dict[str, str] = {}
        self.versions = {(p.name, p.version) for p in old.packages}

    def insecure(self) -> set[str]:
        """Return the locked packages of which the security archive has a newer version."""
        locked = {p.name: p.version for p in self._old.packages}
        return {
            name
            for name, version in self._fixes
            if name in locked and changelog.is_older(locked[name], version)
        }

    def describe(self, debs: Debs, progress: Callable[[str], None]) -> None:
        """Learn what each locked package needs: from the indexes, else from its .deb."""
        gone = []
        for package in self._old.packages:
            at = (package.name, package.version)
            if package.sets == (_KERNEL,):
                continue
            if at in self._offered:
                self._stanzas[package.name] = self._offered[at][1]
            else:
                gone.append(package)
        if gone:
            progress(f"reading {len(gone)} locked packages that the indexes have no more")
        try:
            debs.fetch(gone, progress)
        except UnavailableError as error:
            for problem in error.problems:
                progress(f"  {problem.path}: {problem.text}; kept as if it needed all of its set")
            progress(f"  {error.hint}")
        for package in gone:
            if debs.path(package).exists():
                control = run(["dpkg-deb", "--field", str(debs.path(package))]).decode()
                place = f"Filename: {package.path}\nSize: {package.size}\n"
                self._stanzas[package.name] = f"{control.strip()}\n{place}"

    def _unknown(self, name: str, have: Mapping[str, str]) -> str:
        """Return a stanza for a package that nobody has: it may need whatever is in its set.

        What it stands for is taken from its present version.
        """
        present = (text for (other, _), (_, text) in self._offered.items() if other == name)
        provides = re.findall(r"^Provides: .*\n", next(present, ""), re.MULTILINE)
        return (
            f"Package: {name}\nVersion: {have[name]}\nArchitecture: {apts.ARCHITECTURE}\n"
            f"Maintainer: -\nDescription: -\n{''.join(provides)}"
            f"Depends: {', '.join(sorted(have.keys() - {name}))}\n"
        )

    def resolve(self, label: str, touched: set[str]) -> dict[str, str]:
        """Return name and version of what the set `label` comes to when `touched` are upgraded."""
        have = {p.name: p.version for p in self._old.of(label)}
        if label == _KERNEL:
            return self._kernel(have, touched)
        asked = (set(self._wanted[label]) - have.keys()) | (touched & have.keys())
        words = [*self._pretend(label, have), "--auto-remove", *sorted(asked)]
        # What enters this set comes at the version that another one has, if that fits.
        elsewhere = {
            p.name: p.version
            for p in self._old.packages
            if p.name not in have and p.name not in touched
        }
        try:
            plan = self._apt.plan(label, *self._preferences(elsewhere), *words)
        except PostolkaError:
            plan = self._apt.plan(label, *self._preferences({}), *words)
        have.update(apts.INSTALLED.findall(plan))
        gone = set(_REMOVED.findall(plan))
        return {name: version for name, version in have.items() if name not in gone}

    def _kernel(self, have: dict[str, str], touched: set[str]) -> dict[str, str]:
        """Return the kernel: of this set apt knows no dependencies, the newest one counts."""
        wanted = self._wanted[_KERNEL]
        is_touched = bool(touched & {*have, *wanted})
        if not (is_touched or self._is_security) and have:
            return have
        names = {*wanted, *apts.essential(text for _, text in self._offered.values())}
        found = dict(self._apt.closure(_KERNEL, names, *self._preferences({})))
        if not self._is_security:
            return found
        is_insecure = any(
            at in self._fixes
            and all(changelog.is_older(version, at[1]) for version in have.values())
            for at in found.items()
        )
        return found if is_insecure else have

    def _pretend(self, label: str, have: Mapping[str, str]) -> list[str]:
        """Write the state of a system that has the packages `have`; return apt's options for it."""
        manual = {*self._wanted[label], *apts.essential(text for _, text in self._offered.values())}
        status, states = (self._apt.directory / name for name in ("part.status", "part.states"))
        found = {name: self._stanzas.get(name) or self._unknown(name, have) for name in have}
        status.write_text(
            "\n".join(f"{it.strip()}\nStatus: install ok installed\n" for it in found.values())
        )
        states.write_text(
            "\n".join(
                f"Package: {name}\nArchitecture: {apts.ARCHITECTURE}\nAuto-Installed: 1\n"
                for name in sorted(have.keys() - manual)
            )
        )
        # By this name alone apt knows what it is: the locked packages, wherever else they are.
        listed = self._apt.directory / "part" / "Packages"
        listed.parent.mkdir(exist_ok=True)
        listed.write_text("\n".join(f"{it.strip()}\n" for it in self._stanzas.values()))
        options = {
            "Dir::State::status": status,
            "Dir::State::extended_states": states,
            "APT::AutoRemove::RecommendsImportant": "false",
            "APT::AutoRemove::SuggestsImportant": "false",
        }
        words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        return [*words, "--with-source", str(listed)]

    def _preferences(self, versions: Mapping[str, str]) -> list[str]:
        """Let apt prefer these versions, and the security archive where only that counts."""
        pins = [f"Package: {name}\nPin: version {it}\n" for name, it in sorted(versions.items())]
        if self._is_security:
            pins += [f"Package: *\nPin: release n={it}\n" for it in apts.SUITES[_SECURITY]]
        path = self._apt.directory / "part.preferences"
        path.write_text("\n".join(f"{pin}Pin-Priority: 990\n" for pin in pins))
        return ["-o", f"Dir::Etc::preferences={path}"]

    def packages(self, sets: Mapping[str, Mapping[str, str]]) -> tuple[Package, ...]:
        """Return the packages that the sets name; what is as locked is taken from the lock."""
        labels: dict[tuple[str, str], list[str]] = defaultdict(list)
        for label, found in sets.items():
            for at in found.items():
                labels[at].append(label)
        versions: dict[str, set[str]] = defaultdict(set)
        for name, version in labels:
            versions[name].add(version)
        for name, several in versions.items():
            if len(several) > 1:
                problem = f"{' and '.join(sorted(several))} would be needed at once"
                raise PostolkaError(name, problem, hint=REFRESH)
        old = {(p.name, p.version): p for p in self._old.packages}
        return tuple(
            sorted(
                replace(old[at], sets=_same(old[at].sets, where))
                if at in old
                else apts.package(*self._offered[at], where)
                for at, where in labels.items()
            )
        )


def _same(before: tuple[str, ...], now: list[str]) -> tuple[str, ...]:
    """Return the sets in the order that they had, so that what doesn't change is the same line."""
    return before if sorted(before) == sorted(now) else tuple(now)
