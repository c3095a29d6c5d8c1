"""All checks of this machine, in the order in which status shows them."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from postolka.errors import Problem
from postolka.instance.acme.record import Record
from postolka.instance.backups import outcome
from postolka.instance.checks import (
    backup,
    bans,
    clock,
    database,
    disk,
    exceptions,
    filters,
    held,
    jobs,
    mailqueue,
    memory,
    network,
    signing,
    tls,
)
from postolka.instance.checks.check import Check

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from postolka.instance.paths import Paths
    from postolka.instance.units import Unit


def check(
    paths: Paths, house: Mapping[str, Any], units: Sequence[Unit], report: Mapping[str, Any]
) -> tuple[Check, ...]:
    """Look at a machine that has its data; who isn't root sees less."""
    return tuple(_checks(paths, house, units, report))


def _checks(
    paths: Paths, house: Mapping[str, Any], units: Sequence[Unit], report: Mapping[str, Any]
) -> Iterator[Check]:
    settings, now = house["settings"], time.time()
    yield mailqueue.check(settings["status"], now)
    hostname = report.get("hostname") or ""
    yield tls.check(paths.tls / "certificate.pem", hostname, now, Record.load(paths))
    if settings["clamav"]["enabled"]:
        yield filters.signatures(paths.signatures, now)
    yield filters.rules(paths.rules_asked, paths.channels, now)
    if not os.geteuid():
        yield from _as_root(paths, settings, now)
    yield disk.check(paths.var, settings)
    yield clock.check(paths.clock, units, now)
    yield memory.check()
    yield jobs.check(unit.name for unit in units)
    yield from network.checks(paths.lookout, report.get("serial"), now)


def _as_root(paths: Paths, settings: Mapping[str, Any], now: float) -> Iterator[Check]:
    from postolka.instance.parse import parse  # noqa: PLC0415 - its libraries cost 0.2 s

    instance = parse(paths.kept.read_bytes())
    if instance.has_mailboxes:
        yield database.check(paths, instance)
    yield signing.check(paths, instance)
    yield exceptions.check(instance, datetime.fromtimestamp(now, UTC).date())
    yield held.check(paths)
    yield bans.check()
    yield backup.check(instance, outcome.load(paths), settings["backup"]["problem_days"], now)
    if settings["razor"]["enabled"] and not (paths.razor / "identity").exists():
        text = "no identity yet; a mail can be looked up, but not reported"
        yield Check(name="razor", text="unknown to it", warnings=(Problem("razor", text),))
