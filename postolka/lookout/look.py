"""The program: look once, and leave what was found for status."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

from postolka import live
from postolka.errors import PostolkaError, Problem
from postolka.instance.checks.check import Check
from postolka.instance.paths import Paths
from postolka.lookout import blocklists, facts, names, outgoing, zone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from postolka.live import Answer, Lookup
    from postolka.lookout.facts import Facts


def look(known: Facts, resolver: Lookup) -> Iterator[Check]:
    """Yield each check; what nobody answers is told, and stops no other."""
    hostname = known.wanted.hostname
    ask = _impatient(resolver)
    yield _told("outgoing", lambda: outgoing.check(known, ask))
    seen = names.Seen()
    try:
        seen = names.addresses(hostname, ask)
    except PostolkaError as error:
        yield _unknown("names", error)
    else:
        yield _told("names", lambda: names.check(hostname, seen, ask))
    yield _told("lists", lambda: blocklists.check(known.lists, seen.addresses, ask))
    yield _told("dns", lambda: zone.check(known.wanted, ask))


def _impatient(ask: Lookup) -> Lookup:
    """Wait for a resolver that says nothing only once: what it can't find it answers, too."""
    failed: list[PostolkaError] = []

    def once(name: str, kind: str) -> Answer:
        if failed:
            raise failed[0]
        try:
            return ask(name, kind)
        except PostolkaError as error:
            failed.append(error)
            raise

    return once


def _told(name: str, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except PostolkaError as error:
        return _unknown(name, error)


def _unknown(name: str, error: PostolkaError) -> Check:
    problem = Problem(name, f"{error.where}: {error.problem}")
    return Check(name=name, text="can't be known", warnings=(problem,))


def result(known: Facts, checks: Iterator[Check], now: float) -> dict[str, Any]:
    """Return what is left for status."""
    return {"serial": known.serial, "at": now, "checks": [check.whole() for check in checks]}


def main() -> None:
    """Look, and replace what the last run left."""
    paths = Paths()
    known = facts.load(json.loads(paths.lookout_facts.read_bytes()))
    found = result(known, look(known, live.resolver()), time.time())
    new = paths.lookout.with_name(f".{paths.lookout.name}")
    new.write_text(json.dumps(found), encoding="utf-8")
    new.replace(paths.lookout)


def tell() -> None:
    """Write the facts, as root, where only the lookout may read them besides."""
    from postolka.instance import files  # noqa: PLC0415 - the lookout itself needs none of these
    from postolka.instance.house import load_house  # noqa: PLC0415
    from postolka.instance.parse import parse  # noqa: PLC0415

    paths = Paths()
    instance = parse(paths.kept.read_bytes(), where=str(paths.kept))
    text = json.dumps(facts.make(instance, load_house(paths)).as_data())
    group = paths.lookout_facts.parent.stat().st_gid
    content = text.encode("utf-8")
    files.write(
        paths.lookout_facts,
        files.File(content=content, mode=0o640, uid=os.getuid(), gid=group),
    )
