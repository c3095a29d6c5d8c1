"""A whole machine comes back from a backup: the database first, then files, then newer data.

Contract: mail, and who may log in at the system, are completed and never overwritten; instance data
win by their serial, as at boot. While files are moved no service runs that needs the instance.
Wherever it stops, doing it again comes to the same end.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from postolka.errors import PostolkaError
from postolka.instance import applying, status
from postolka.instance.backups import merging, outcome, plan, repository
from postolka.instance.checks.check import size
from postolka.instance.house import load_house
from postolka.instance.parse import parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from postolka.instance.backups.merging import Mail
    from postolka.instance.backups.repository import Snapshot
    from postolka.instance.model import Instance
    from postolka.instance.paths import Paths
    from postolka.instance.system import System

_IMPORT = ("mariadb", "--no-defaults", "--user=root", "--socket=/run/mysqld/mysqld.sock")
#: It may have new keys.
_SSH = "ssh.service"
_START_SECONDS = 300
#: Small files take more room than they have bytes.
_ROOM = 1.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What came back."""

    snapshot: str
    mail: Mail
    database: str
    data: str

    def __str__(self) -> str:
        return "\n".join(
            (
                f"snapshot {self.snapshot}: restored",
                f"  database  {self.database}",
                f"  mail      {self.mail}",
                f"  data      {self.data}",
            )
        )


def restore(paths: Paths, system: System, wanted: str) -> Restored:
    """Do it from the snapshot `wanted`. Raises PostolkaError."""
    store = repository.load(paths)
    snapshot = store.snapshot(wanted)
    house, old = load_house(paths), parse(paths.kept.read_bytes())
    _say(f"snapshot {snapshot}")
    _check_room(paths, snapshot)
    fetched = paths.restore / "machine"
    with emptied(paths):
        store.restore(snapshot, fetched)
        units = [unit["name"] for unit in house["units"] if unit["needs_instance"]]
        _say("stopping what needs the instance")
        _stop(system, units)
        try:
            database = _import(fetched, old)
            kept = fetched / paths.kept.relative_to(paths.root)
            data = kept.read_bytes() if kept.exists() else b""
            kept.unlink(missing_ok=True)
            mail = _place(paths, system, house, fetched)
        finally:
            _say("starting it again")
            system.tell("start", units)
            _await(paths)
    # Its backups go on where those of the old machine end.
    (paths.backup / "adopted").touch()
    outcome.clear(paths)
    said = _apply(paths, system, data, old)
    if old.has_mailboxes:
        _say("counting what mailboxes hold")
        subprocess.run(["postolka-quota"], stdout=subprocess.DEVNULL, check=False)
    return Restored(snapshot=snapshot.name, mail=mail, database=database, data=said)


def _check_room(paths: Paths, snapshot: Snapshot) -> None:
    """Refuse to fill the disk of a machine that serves meanwhile."""
    free = shutil.disk_usage(paths.var).free
    if free < _ROOM * snapshot.bytes:
        problem = f"{size(free)} are free, and the backup has {size(snapshot.bytes)}"
        raise PostolkaError("disk", problem, hint="a larger state partition")


@contextlib.contextmanager
def emptied(paths: Paths) -> Iterator[None]:
    """Have an empty directory for what comes back, and nothing of it in the end."""
    shutil.rmtree(paths.restore, ignore_errors=True)
    # Whoever owns a mailbox passes through it.
    paths.restore.mkdir(mode=0o711)
    try:
        yield
    finally:
        shutil.rmtree(paths.restore, ignore_errors=True)


def _stop(system: System, units: list[str]) -> None:
    # What sockets and timers have started isn't among the house's units.
    triggers = [name for name in units if name.endswith((".socket", ".timer", ".path"))]
    started = [f"{name.rpartition('.')[0]}.service" for name in triggers]
    system.tell("stop", [*triggers, *started, *units])


def _import(fetched: Path, instance: Instance) -> str:
    """Have this machine's database be as in the dump."""
    if not instance.has_mailboxes:
        return "none: there are no mailboxes"
    if elsewhere := instance.database_elsewhere:
        return f"{elsewhere.host}'s, which isn't touched"
    file = fetched / plan.DUMP.lstrip("/")
    if not file.exists():
        return "the backup has none"
    with file.open("rb") as stream:
        done = subprocess.run(_IMPORT, stdin=stream, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PostolkaError("database", done.stderr.strip() or "took nothing")
    return "as in the backup"


def _place(paths: Paths, system: System, house: Mapping[str, Any], fetched: Path) -> Mail:
    """Move every place's files home; return what came of mail."""
    mail = merging.Mail(homes=0, mails=0)
    for place in plan.plan(house).places:
        relative = place.path.lstrip("/")
        source, target = fetched / relative, paths.root / relative
        if not source.exists():
            continue
        _say(place.path)
        if target == paths.mail:
            mail = merging.merge_mail(source, target)
        else:
            merging.merge(source, target, keeps=place.keeps)
        system.relabel([target])
    system.tell("try-reload-or-restart", [_SSH])
    return mail


def _apply(paths: Paths, system: System, data: bytes, old: Instance) -> str:
    """Serve by the newer of the machine's and the backup's data; return which those are."""
    kept = paths.kept.read_bytes()
    try:
        serial = parse(data, where="the backup's").serial if data else 0
        if serial <= old.serial:
            # What came back of the machine's own secrets is rendered.
            applying.apply(paths, system, kept, where=str(paths.kept))
            return f"serial {old.serial}, the machine's own; the backup's is {serial or 'none'}"
        applying.apply(paths, system, data, where="the backup's")
    except PostolkaError as error:
        return f"serial {old.serial}, the machine's own: {error}"
    return f"serial {serial}, the backup's; the machine had {old.serial}"


def _await(paths: Paths) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while status.read(paths).state != "ready" and time.monotonic() < deadline:
        time.sleep(1)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
