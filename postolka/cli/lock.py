"""`postolka lock`: resolve every package, or say whether the lock is complete."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from postolka import apt, comparison, diff, home, lock, mirrors, refresh, wants
from postolka.cli.diff import package as told
from postolka.debs import Debs
from postolka.errors import PostolkaError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

    from postolka.lock import Lock


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--update",
        nargs="*",
        metavar="NAME",
        help="resolve again although there is a lock; with NAMEs only these packages and what"
        " they need",
    )
    what.add_argument(
        "--security", action="store_true", help="take only what the security archive brings"
    )
    what.add_argument(
        "--export", type=Path, metavar="DIR", help="make DIR a mirror of all that is locked"
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="show what would change and write nothing; exit code 3 where anything would",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write postolka.lock, or check or export the one that is there."""
    path = home.CHECKOUT / "postolka.lock"
    wanted = wants.wanted()
    if arguments.export and arguments.dry_run:
        raise PostolkaError("--dry-run", "an export has nothing to show but its files")
    if arguments.export:
        return _export(path, wanted, arguments.export)
    is_part = arguments.security or bool(arguments.update)
    if is_part and not path.exists():
        raise PostolkaError(path.name, "there is no lock to update a part of", hint="postolka lock")
    if path.exists() and not is_part and arguments.update is None:
        locked = _read(path)
        locked.check(wanted, where=path.name)
        print(f"{path}: complete, {len(locked.packages)} packages")
        return 0
    if is_part:
        old = _read(path)
        names = None if arguments.security else arguments.update
        debs = Debs(home.debs(), mirrors.snapshots(old.suites))
        new = refresh.update(
            old, wanted, names, directory=home.home() / "apt", debs=debs, progress=_say
        )
    else:
        found = _replaced(path)
        new = apt.lock(home.home() / "apt", wanted, _say)
        old = found or new
    lines = list(_changes(old, new))
    for line in lines:
        print(line)
    if arguments.dry_run:
        return 3 if lines or not path.exists() else 0
    if is_part and new == old:
        print(f"{path}: nothing to change, {len(old.packages)} packages")
        return 0
    _write(path, new)
    print(f"{path}: {len(new.packages)} packages")
    _say("next: postolka build")
    return 0


def _read(path: Path) -> Lock:
    return lock.parse(path.read_text(), where=path.name)


def _replaced(path: Path) -> Lock | None:
    """Return the lock that is to be replaced by another, if there is one that can be read."""
    try:
        return _read(path) if path.exists() else None
    except PostolkaError as error:
        _say(f"{error.where}: {error.problem}; what changes can't be told")
        return None


def _write(path: Path, locked: Lock) -> None:
    new = path.with_name(f".{path.name}.new")
    new.write_text(lock.serialise(locked))
    if os.geteuid() == 0:
        # By sudo in a user's checkout: the file stays the user's.
        owner = path.parent.stat()
        os.chown(new, owner.st_uid, owner.st_gid)
    new.rename(path)


def _export(path: Path, wanted: Mapping[str, tuple[str, ...]], directory: Path) -> int:
    locked = _read(path)
    locked.check(wanted, where=path.name)
    debs = Debs(home.debs(), mirrors.snapshots(locked.suites))
    debs.export(locked.packages, directory, _say)
    total = sum(package.size for package in locked.packages)
    print(f"{directory}: {len(locked.packages)} packages, {total >> 20} MiB")
    main, variable = lock.ARCHIVES[0], mirrors.VARIABLES[lock.ARCHIVES[0]]
    _say(f"next, there: {variable}=file:{directory.resolve() / main} postolka build")
    return 0


def _changes(old: Lock, new: Lock) -> Iterator[str]:
    """Yield what differs between two locks, as lines."""
    rows = [[asdict(package) for package in side.packages] for side in (old, new)]
    changed = diff.packages(comparison.packages(*rows), Debs(home.debs()))
    sections = {
        "wanted": list(_wanted(old, new)),
        "packages": [line for row in changed for line in told(row)],
        "sets": list(_moved(old, new)),
        "suites": list(_dates(old, new)),
    }
    for title, lines in sections.items():
        if lines:
            yield f"{title}: {len(changed) if title == 'packages' else len(lines)}"
            yield from (f"  {line}" for line in lines)


def _wanted(old: Lock, new: Lock) -> Iterator[str]:
    for label, names in sorted(new.wanted.items()):
        before, after = set(old.wanted.get(label, ())), set(names)
        yield from (f"+ {name} ({label})" for name in sorted(after - before))
        yield from (f"- {name} ({label})" for name in sorted(before - after))


def _moved(old: Lock, new: Lock) -> Iterator[str]:
    """Yield the packages that other sets have than before; a new version is told elsewhere."""
    before = {(package.name, package.sha256): package.sets for package in old.packages}
    for package in new.packages:
        sets = before.get((package.name, package.sha256), package.sets)
        if set(sets) != set(package.sets):
            yield f"{package.name}: {', '.join(sets)} -> {', '.join(package.sets)}"


def _dates(old: Lock, new: Lock) -> Iterator[str]:
    dates = {suite.suite: suite.date for suite in old.suites}
    for suite in new.suites:
        before = dates.get(suite.suite)
        if before != suite.date:
            yield f"{suite.suite}: {before or 'none'} -> {suite.date}"


def _say(line: str) -> None:
    print(line, file=sys.stderr)
