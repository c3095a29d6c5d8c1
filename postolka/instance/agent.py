"""At each boot: choose the instance's data, render every file, and let the daemons start.

Contract: whatever happens and wherever it stops, the next run comes to the same end; the machine is
either wholly configured from one copy of good data, or not at all.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from postolka.errors import Problem, ProblemsError
from postolka.instance import clients, files, machine
from postolka.instance.acme import served, trust
from postolka.instance.choice import choose
from postolka.instance.house import load_house
from postolka.instance.render import Present, render

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from types import SimpleNamespace

    from postolka.instance.choice import Verdict
    from postolka.instance.model import Instance
    from postolka.instance.paths import Paths
    from postolka.instance.system import System

#: Of the room nftables.
_FLOWS = "/etc/postolka/flows.nft"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a run found and did."""

    data: Verdict
    problems: tuple[Problem, ...]
    instance: Instance | None
    warnings: tuple[Problem, ...] = ()

    def as_data(self) -> dict[str, Any]:
        """Return plain data, ready for JSON."""
        return {
            "format": 1,
            "data": self.data,
            "serial": self.instance.serial if self.instance else None,
            "hostname": self.instance.hostname if self.instance else None,
            "problems": [{"path": item.path, "text": item.text} for item in self.problems],
            "warnings": [{"path": item.path, "text": item.text} for item in self.warnings],
        }


def boot(paths: Paths, system: System) -> Report:
    """Configure the machine from the best data there are; return what came of it."""
    paths.run.mkdir(mode=0o755, parents=True, exist_ok=True)
    paths.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with alone(paths):
        house = load_house(paths)
        secrets = machine.secrets(paths)
        report = _configure(paths, system, house, secrets)
        write_report(paths, report)
        return report


def present(paths: Paths, instance: Instance) -> Present:
    """Return what holds now."""
    now = datetime.now(UTC)
    is_certified = trust.is_trusted(paths, instance, now.timestamp())
    return Present(today=now.date(), is_certified=is_certified)


def write_report(paths: Paths, report: Report) -> None:
    """Leave a report for `status`."""
    text = json.dumps(report.as_data(), indent=2) + "\n"
    _write(paths.report, text.encode("ascii"), mode=0o644)


def _configure(
    paths: Paths, system: System, house: Mapping[str, Any], secrets: SimpleNamespace
) -> Report:
    choice = choose(_incoming(paths), _read(paths.kept))
    problems = list(choice.problems)
    for candidate in choice.candidates:
        try:
            rendered = render(
                candidate.instance,
                house=house,
                machine=secrets,
                templates=paths.templates,
                present=present(paths, candidate.instance),
            )
        except ProblemsError as error:
            problems += error.problems
            continue
        if candidate.is_new:
            keep(paths, candidate.data)
        publish(paths, system, house, candidate.instance, rendered)
        return Report(
            data=candidate.verdict,
            problems=tuple(problems),
            warnings=choice.warnings,
            instance=candidate.instance,
        )
    paths.configured.unlink(missing_ok=True)
    return Report(data=choice.verdict, problems=tuple(problems), instance=None)


def keep(paths: Paths, data: bytes) -> None:
    """Make `data` the last good ones: they are valid, and every template took them."""
    _write(paths.kept, data, is_durable=True)


def publish(
    paths: Paths,
    system: System,
    house: Mapping[str, Any],
    instance: Instance,
    rendered: Mapping[str, bytes],
) -> None:
    """Put the rendered files in their places, and open the gate for the daemons."""
    tops = write(paths, system, house, instance, rendered)
    _note_database(paths, instance)
    system.relabel([paths.etc, paths.tls, paths.dkim])
    for top in tops:
        system.bind(paths.etc / top, paths.root / "etc" / top)
    system.set_hostname(instance.hostname)
    # Where there is no firewall this fails, and no daemon starts.
    system.load_flows(rendered[_FLOWS].decode())
    _write(paths.configured, f"{instance.serial}\n".encode("ascii"), mode=0o644)


def write(
    paths: Paths,
    system: System,
    house: Mapping[str, Any],
    instance: Instance,
    rendered: Mapping[str, bytes],
) -> list[str]:
    """Write all that the data make; return the directories of /etc that it has."""
    directories, plain = _by_place(house["instance_files"], rendered, system)
    paths.etc.mkdir(mode=0o755, exist_ok=True)
    _mirror(paths, system, directories)
    for name, file in plain.items():
        files.write(paths.etc / name, file)
    _write_tls(paths, instance, clients.web_names(instance, house))
    _write_dkim(paths, system, instance)
    return list(directories)


def _by_place(
    entries: Mapping[str, Any], rendered: Mapping[str, bytes], system: System
) -> tuple[dict[str, dict[str, files.File]], dict[str, files.File]]:
    """Return the files inside directories of /etc, by directory, and those of /etc itself.

    The latter are reached through links that the image has in their places.
    """
    directories: dict[str, dict[str, files.File]] = {}
    plain: dict[str, files.File] = {}
    for path, content in rendered.items():
        entry = entries[path]
        uid, gid = system.ids(entry["user"], entry["group"])
        file = files.File(content=content, mode=int(entry["mode"], 8), uid=uid, gid=gid)
        top, slash, rest = path.removeprefix("/etc/").partition("/")
        if slash:
            directories.setdefault(top, {})[rest] = file
        else:
            plain[top] = file
    return directories, plain


def _mirror(paths: Paths, system: System, tops: Mapping[str, Mapping[str, files.File]]) -> None:
    """Copy the image's directories of /etc, with the rendered files on top."""
    etc = paths.root / "etc"
    is_again = any(system.is_bound(etc / top) for top in tops)
    if is_again:
        # The image's directories lie below what an earlier run mounted over them.
        paths.lower.mkdir(mode=0o700, exist_ok=True)
        system.bind(paths.root, paths.lower)
        etc = paths.lower / "etc"
    for top, overrides in tops.items():
        files.mirror(etc / top, paths.etc / top, overrides)
    if is_again:
        system.unbind(paths.lower)


def _write_tls(paths: Paths, instance: Instance, names: Sequence[str]) -> None:
    """Write the key and its certificates, apart for most daemons and in one file for Postfix."""
    paths.tls.mkdir(mode=0o755, exist_ok=True)
    key = instance.tls.key_pem
    chain = served.pem(paths, instance, names)
    _write(paths.tls / "key.pem", key.encode("ascii"))
    _write(paths.tls / "certificate.pem", chain.encode("ascii"), mode=0o644)
    _write(paths.tls / "chain.pem", f"{key}{chain}".encode("ascii"))
    if database := instance.database_elsewhere:
        _write(paths.database_ca, database.ca_pem.encode("ascii"), mode=0o644)
    else:
        paths.database_ca.unlink(missing_ok=True)


def _note_database(paths: Paths, instance: Instance) -> None:
    """Have this machine's own database rest where there is another, which has to prove itself."""
    database = instance.database_elsewhere
    if not database:
        paths.elsewhere.unlink(missing_ok=True)
        return
    _write(paths.elsewhere, f"{database.host}\n".encode("ascii"), is_durable=True)


def _write_dkim(paths: Paths, system: System, instance: Instance) -> None:
    """Write each signing key to a file of its own.

    OpenDKIM 2.11 doesn't read a key that stands in its table as base64.
    """
    uid, gid = system.ids("opendkim", "opendkim")
    keys = {
        paths.dkim / domain.name / f"{key.selector}.pem": key.pem
        for domain in instance.domains
        for key in domain.signing_keys
    }
    for old in set(paths.dkim.glob("*/*.pem")) - keys.keys():
        old.unlink()
    for path, pem in keys.items():
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        files.write(path, files.File(content=pem.encode("ascii"), mode=0o600, uid=uid, gid=gid))


def _incoming(paths: Paths) -> list[bytes]:
    if not paths.incoming.is_dir():
        return []
    return [path.read_bytes() for path in sorted(paths.incoming.glob("*.yaml"))]


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _write(path: Path, content: bytes, *, mode: int = 0o600, is_durable: bool = False) -> None:
    file = files.File(content=content, mode=mode, uid=os.getuid(), gid=os.getgid())
    files.write(path, file, is_durable=is_durable)


@contextlib.contextmanager
def alone(paths: Paths) -> Iterator[None]:
    """Let one run after the other have the machine."""
    descriptor = os.open(paths.run / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
