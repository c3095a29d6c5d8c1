"""The program of postolka-backup.service: dump, back up, forget what is old, now and then check.

Contract: whatever goes wrong is noted for status. It fails, so that systemd tries again, only where
trying again may help.
"""

from __future__ import annotations

import os
import sys
import time
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from postolka.errors import PostolkaError
from postolka.instance.backups import dump, outcome, plan, repository
from postolka.instance.backups.repository import (
    FIRST_SECONDS,
    INCOMPLETE,
    LOCK,
    MISSING,
    Repository,
)
from postolka.instance.house import load_house
from postolka.instance.paths import Paths

if TYPE_CHECKING:
    from collections.abc import Mapping

    from postolka.instance.backups.outcome import Outcome

_WEEK_SECONDS = 7 * 86400
#: Each check reads another part of what is stored, so that a year of them reads it all.
_PARTS = 52


class _OperatorError(PostolkaError):
    """Nothing changes by trying again."""


def main() -> int:
    """Make a backup; return 1 where it is to be tried again."""
    paths, now = Paths(), time.time()
    target = repository.read(paths)
    if target is None:
        return 0
    old = outcome.load(paths)
    begun = replace(old, began=old.began or now, tried=now)
    try:
        new = _back_up(paths, target, begun)
    except PostolkaError as error:
        needs_operator = isinstance(error, _OperatorError)
        outcome.save(
            paths, replace(begun, problem=str(error.problem), needs_operator=needs_operator)
        )
        _say(f"{error.where}: {error.problem}")
        return 0 if needs_operator else 1
    outcome.save(paths, new)
    _say(f"snapshot {new.snapshot}")
    # By itself: a repository that takes backups but isn't looked after is no failed backup.
    outcome.save(paths, _look_after(Repository(target), load_house(paths)["settings"], new, now))
    return 0


def _back_up(paths: Paths, target: Mapping[str, Any], begun: Outcome) -> Outcome:
    what = plan.plan(load_house(paths))
    store = Repository(target)
    _prepare(store)
    installation = _installation(paths)
    _check_ours(paths, store, installation)
    there = [place.path for place in what.places if os.path.lexists(place.path)]
    if target["database"]:
        dump.write(target["database"], Path(plan.DUMP))
        there.append(plan.DUMP)
    words = [f"--exclude={pattern}" for pattern in what.excludes]
    words += ["--host", store.host, "--tag", f"installation-{installation}", LOCK]
    # The latest of this host is what it is compared with, whatever paths that had.
    done = store.run("backup", "--group-by=host", *words, *there)
    unread = done.unread
    if done.status not in (0, INCOMPLETE):
        raise PostolkaError("backup", done.problem)
    (summary,) = [item for item in done.messages if item.get("message_type") == "summary"]
    more = f" and {len(unread) - 1} more" if len(unread) > 1 else ""
    return replace(
        begun,
        succeeded=begun.tried,
        problem="",
        needs_operator=False,
        snapshot=summary["snapshot_id"][:8],
        bytes=summary["total_bytes_processed"],
        bytes_added=summary["data_added_packed"],
        unread=f"{unread[0]}{more}" if unread and done.status == INCOMPLETE else "",
    )


def _prepare(store: Repository) -> None:
    """Make the repository where there is none; take away locks that a crash has left."""
    done = store.run("cat", "config", "--no-lock", timeout_seconds=FIRST_SECONDS)
    if done.status == MISSING:
        store.wanted("init")
    elif done.status:
        raise PostolkaError("backup", done.problem)
    # Only those whose process is gone, or that nobody has renewed for half an hour.
    store.wanted("unlock")


def _check_ours(paths: Paths, store: Repository, installation: str) -> None:
    """Refuse to go on beside the backups of the machine that this one may be to replace.

    Its own, of an empty machine, would be the latest, and push those out in the end.
    """
    if (paths.backup / "adopted").exists():
        return
    tags = [item.tags for item in store.snapshots()]
    if tags and not any(f"installation-{installation}" in item for item in tags):
        problem = (
            f"the repository has backups of another installation of {store.host}: "
            "postolka-instance restore, or backup --anyway to begin beside them"
        )
        raise _OperatorError("backup", problem)


def _installation(paths: Paths) -> str:
    """Return what tells this machine's state from that of one before it."""
    file = paths.backup / "installation"
    if not file.exists():
        file.write_text(f"{uuid.uuid4()}\n", encoding="ascii")
    return file.read_text(encoding="ascii").strip()


def _look_after(
    store: Repository, settings: Mapping[str, Any], old: Outcome, now: float
) -> Outcome:
    """Forget old backups; every week check what there is, and give the others' space back."""
    is_due = now - old.looked_after > _WEEK_SECONDS or bool(old.damage)
    if is_due:
        part = int(now // _WEEK_SECONDS) % _PARTS + 1
        checked = store.run("check", f"--read-data-subset={part}/{_PARTS}", LOCK)
        if checked.status:
            _say(f"check: {checked.problem}")
            # Nothing is deleted from what is damaged.
            return replace(old, damage=checked.problem) if _is_there(store) else old
    keep = settings["backup"]
    words = [f"--keep-{name}={keep[f'keep_{name}']}" for name in ("daily", "weekly", "monthly")]
    words += ["--host", store.host, "--group-by=host", LOCK, *(("--prune",) if is_due else ())]
    try:
        store.wanted("forget", *words)
    except PostolkaError as error:
        _say(f"forget: {error.problem}")
        return old
    return replace(old, looked_after=now, damage="") if is_due else old


def _is_there(store: Repository) -> bool:
    """Say whether the repository can be reached, or else it was the way to it that failed."""
    return not store.run("cat", "config", "--no-lock", timeout_seconds=FIRST_SECONDS).status


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
