"""New data for a machine that runs: checked beside the old ones, then put in their place.

Contract: the old data serve until the new ones have passed every check, and again if a daemon fails
with them; wherever it is cut off, the next boot has one of the two, whole. Only what reads a file
that has changed is told.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from postolka.errors import PostolkaError, Problem, ProblemsError
from postolka.instance import agent, chain, document, editing, machine, status
from postolka.instance.editing import Editable
from postolka.instance.house import load_house
from postolka.instance.parse import parse
from postolka.instance.render import render

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from postolka.instance.model import Instance
    from postolka.instance.paths import Paths
    from postolka.instance.system import System

#: What daemons need to come back; amavis reads its rules for many seconds.
_SETTLE_SECONDS = 180
_POLL_SECONDS = 0.5
#: A daemon that ends right after its start is started again by systemd, and may fail for good.
_STEADY_SECONDS = 4
_FAILED = "failed"
_DATABASE = "postolka-database.service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What was done."""

    serial: int
    changed: tuple[str, ...]
    """Paths of files that are other than before, as the daemons know them."""
    told: tuple[str, ...]
    """Units that were reloaded, restarted or started."""

    def __str__(self) -> str:
        lines = [f"serial {self.serial}: applied"]
        lines += [f"  changed  {path}" for path in self.changed]
        lines += [f"  told     {unit}" for unit in self.told]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Version:
    """Data, and what the templates make of them."""

    data: bytes
    instance: Instance
    rendered: Mapping[str, bytes]


def apply(
    paths: Paths, system: System, data: bytes, *, where: str, is_forced: bool = False
) -> Applied:
    """Serve by `data` from now on, and after each boot until the platform has newer ones.

    Raises ProblemsError for wrong data, PostolkaError for data whose serial isn't above that of the
    machine's, and ProblemsError for daemons that fail with them; then the machine is as it was.
    With `is_forced` data whose serial is too low get another one.
    """
    with agent.alone(paths):
        return _Machine(paths, system).apply(
            document.part(data, where=where), where, is_forced=is_forced
        )


class _Machine:
    """The machine, of which nobody else changes anything meanwhile."""

    def __init__(self, paths: Paths, system: System) -> None:
        self._paths = paths
        self._system = system
        self._house = load_house(paths)
        self._secrets = machine.secrets(paths)
        self._units = {unit["name"] for unit in self._house["units"]}

    def apply(self, data: bytes, where: str, *, is_forced: bool) -> Applied:
        old = None
        if self._paths.configured.exists():
            old = self._version(self._paths.kept.read_bytes(), str(self._paths.kept))
        new = self._version(data, where)
        if old and old.data != new.data and new.instance.serial <= old.instance.serial:
            new = self._version(_renumbered(old, new, where, is_forced=is_forced), where)
        if old != new and (problem := _overdue(new.instance)):
            raise ProblemsError(where, [problem])
        with self._staged(new) as stage:
            changed = tuple(sorted(_changed(self._paths, stage)))
        told = self._switch(old, new, changed)
        if old != new:
            report = agent.Report(data="applied", problems=(), instance=new.instance)
            agent.write_report(self._paths, report)
        return Applied(serial=new.instance.serial, changed=changed, told=tuple(told))

    def _version(self, data: bytes, where: str) -> _Version:
        instance = parse(data, where=where)
        rendered = render(
            instance,
            house=self._house,
            machine=self._secrets,
            templates=self._paths.templates,
            present=agent.present(self._paths, instance),
        )
        return _Version(data=data, instance=instance, rendered=rendered)

    @contextlib.contextmanager
    def _staged(self, new: _Version) -> Iterator[Paths]:
        """Write the new files beside the old ones and have every daemon's checker look at them."""
        stage = self._paths.staged
        place = stage.etc.parent
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(mode=0o700)
        try:
            tops = agent.write(stage, self._system, self._house, new.instance, new.rendered)
            shown = {stage.etc / top: self._paths.root / "etc" / top for top in tops}
            for name in ("etc", "tls", "dkim"):
                # A machine that never had data has no place to show them at.
                shown[place / name] = self._paths.run / name
                shown[place / name].mkdir(mode=0o755, exist_ok=True)
            # A checker may change its SELinux domain, and sees them as the daemon will.
            self._system.relabel([stage.etc, stage.tls, stage.dkim])
            problems = [
                Problem(" ".join(argv), said)
                for argv in self._house["checkers"]
                if (said := self._system.check(argv, shown))
            ]
            if problems:
                raise ProblemsError("new data", problems, hint="the old data go on serving")
            yield stage
        finally:
            shutil.rmtree(place)

    def _switch(self, old: _Version | None, new: _Version, changed: Sequence[str]) -> list[str]:
        """Put `new` in the place of `old`, or raise ProblemsError with `old` back in its place."""
        failed = {unit.name for unit in status.read(self._paths).units if unit.state == "failed"}
        told = self._readers(changed)
        if _DATABASE in self._units and old != new and _DATABASE not in told:
            # It creates what the data name for the first time.
            told.insert(0, _DATABASE)
        if not old:
            told = [unit["name"] for unit in self._house["units"] if unit["needs_instance"]]
        # Before anything is told: what seeds the database reads them there.
        agent.keep(self._paths, new.data)
        agent.publish(self._paths, self._system, self._house, new.instance, new.rendered)
        # systemd counts starts to stop what fails again and again; these are somebody's wish.
        self._system.tell("reset-failed", [name for name in told if name not in failed])
        self._system.tell("try-reload-or-restart" if old else "start", told)
        # Where nobody is told nothing can get worse.
        if told and (problems := _settle(self._paths, failed)):
            self._go_back(old, told)
            raise ProblemsError("new data", problems, hint="the machine is back at what it had")
        return told

    def _go_back(self, old: _Version | None, told: Sequence[str]) -> None:
        if old:
            agent.keep(self._paths, old.data)
            agent.publish(self._paths, self._system, self._house, old.instance, old.rendered)
            self._system.tell("reset-failed", told)
            self._system.tell("restart", told)
        else:
            self._paths.kept.unlink()
            self._paths.configured.unlink()
            self._system.tell("stop", told)
            self._system.tell("reset-failed", told)

    def _readers(self, changed: Iterable[str]) -> list[str]:
        """Return the units to tell, in the house's order."""
        found = [
            reader["unit"]
            for reader in self._house["readers"]
            if reader["unit"] in self._units
            if any(_is_in(path, reader["files"]) for path in changed)
        ]
        return list(dict.fromkeys(found))


def _overdue(instance: Instance) -> Problem | None:
    """Say that a certificate of the data has ended; in data that are in use, status does."""
    found = chain.load(instance.tls.chain_pem.encode("ascii"))
    said = chain.ended(found, time.time())
    return Problem("tls.certificate", said) if said else None


def _renumbered(old: _Version, new: _Version, where: str, *, is_forced: bool) -> bytes:
    """Return data with the next serial, where somebody wants that; else raise PostolkaError."""
    has, given = old.instance.serial, new.instance.serial
    if is_forced:
        return Editable(new.data, where=where).changed([], serial=editing.new_serial(has))
    # With an equal one the platform's copy would win at the next boot.
    problem = f"{given or 'none'} isn't above {has}, which the machine has"
    hint = f"if these data are newer, write {has + 1} there, or say --force, which does"
    raise PostolkaError("serial", problem, hint=hint)


def _changed(paths: Paths, stage: Paths) -> Iterator[str]:
    """Yield the files that differ, by the paths that daemons know."""
    for mine, other, name in (
        (paths.etc, stage.etc, "/etc"),
        (paths.tls, stage.tls, f"/{paths.rendered}/tls"),
        (paths.dkim, stage.dkim, f"/{paths.rendered}/dkim"),
    ):
        old, new = _content(mine), _content(other)
        for path in old.keys() | new.keys():
            if old.get(path) != new.get(path):
                yield f"{name}/{path}"


def _content(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def _is_in(path: str, places: Iterable[str]) -> bool:
    return any(path == place or path.startswith(f"{place}/") for place in places)


def _settle(paths: Paths, before: set[str]) -> list[Problem]:
    """Wait until everything is up and stays so; return what isn't, but what failed `before`."""
    begin = changed = time.monotonic()
    problems: list[Problem] | None = None
    while True:
        last, problems = problems, _wrong(status.read(paths), before)
        now = time.monotonic()
        changed = changed if problems == last else now
        is_final = not problems or any(problem.text == _FAILED for problem in problems)
        if (is_final and now - changed >= _STEADY_SECONDS) or now - begin > _SETTLE_SECONDS:
            return problems
        time.sleep(_POLL_SECONDS)


def _wrong(found: status.Status, before: set[str]) -> list[Problem]:
    units = [
        Problem(unit.name, _FAILED if unit.state == "failed" else "isn't up")
        for unit in found.units
        if unit.state in ("failed", "starting") and unit.name not in before
    ]
    ports = [
        Problem(f"port {port['number']}", "nothing listens")
        for port in found.ports
        if not port["is_open"] and not before
    ]
    return [*units, *ports]
