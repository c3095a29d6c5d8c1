"""Root's steps; between them are the client's. Requests go to its desk, chains come back.

Contract: whatever the client, the authority or the DNS do, the server goes on with what it has; the
record says what went wrong, and when it is tried again.
"""

from __future__ import annotations

import os
import pwd
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from postolka import live
from postolka.acme import leads, outcome, request
from postolka.errors import PostolkaError
from postolka.instance import applying, chain, clients, files
from postolka.instance.acme import plan, served, wishes
from postolka.instance.acme.record import Record
from postolka.instance.house import load_house
from postolka.instance.parse import parse
from postolka.instance.paths import Paths
from postolka.instance.system import Machine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography import x509

    from postolka.instance.model import Instance
    from postolka.instance.system import System
    from postolka.live import Lookup

USER = "acme"


def main() -> None:
    """Run the step that the first argument names: `prepare`, or `take` with an order's name."""
    paths, now = Paths(), time.time()
    step, *order = sys.argv[1:]
    if step == "prepare":
        prepare(paths, now, live.resolver(), _owner())
    else:
        take(paths, now, Machine(), *order)


def _owner() -> tuple[int, int]:
    found = pwd.getpwnam(USER)
    return found.pw_uid, found.pw_gid


def prepare(paths: Paths, now: float, ask: Lookup, owner: tuple[int, int]) -> None:
    """Put what is to be ordered now on the client's desk, whose files get `owner`."""
    paths.acme_looked.touch()
    for old in paths.acme_desk.iterdir():
        old.unlink()
    instance = parse(paths.kept.read_bytes(), where=str(paths.kept))
    if not instance.acme.enabled:
        Record(is_on=False, next=now + plan.IDLE_SECONDS).save(paths)
        return
    served.sweep(paths, instance, now)
    host, *others = clients.web_names(instance, load_house(paths))
    record = _looked(Record.load(paths), instance, others, now, ask)
    current = next(iter(served.certificates(paths, instance)), None)
    orders = () if host in record.missing else _orders(paths, current, (host, *others), record, now)
    if not orders:
        replace(record, next=plan.next_look(current, record.missing, host, now)).save(paths)
        return
    # Where nothing comes of it, not even a step after this one.
    replace(record, next=plan.retry(record.failures + 1, now)).save(paths)
    for name, text in request.files(instance, orders).items():
        file = files.File(content=text.encode("ascii"), uid=owner[0], gid=owner[1])
        files.write(paths.acme_desk / name, file)


def _orders(
    paths: Paths,
    current: x509.Certificate | None,
    names: Sequence[str],
    record: Record,
    now: float,
) -> tuple[plan.Order, ...]:
    """Return what is due, and what somebody wants besides."""
    host, *others = (name for name in names if name not in record.missing)
    wish = wishes.read(paths)
    orders = plan.orders(current, host, others, now, is_wanted=wish == wishes.RENEW)
    if wish == wishes.NEXT:
        orders += (plan.Order(name=plan.NEXT, names=(host, *others)),)
    return orders


def _looked(
    record: Record, instance: Instance, others: Sequence[str], now: float, ask: Lookup
) -> Record:
    """Return the record with the names that can't be ordered now, and why."""
    refused = {
        name: at
        for name, at in record.refused.items()
        if name in others and now - at < plan.REFUSED_SECONDS
    }
    asked = [name for name in (instance.hostname, *others) if name not in refused]
    missing = dict.fromkeys(refused, "the authority couldn't prove it; it is asked a day later")
    return replace(
        record,
        is_on=True,
        refused=refused,
        missing={**missing, **leads.astray(instance, asked, ask)},
    )


def take(paths: Paths, now: float, system: System, order: str) -> None:
    """Serve what an order has brought, if there was one, or note why nothing came."""
    wish = paths.acme_desk / f"{order}.csr"
    if not wish.exists():
        return
    instance = parse(paths.kept.read_bytes(), where=str(paths.kept))
    found = outcome.read(paths.acme_desk, order)
    key = request.key(instance, order)
    problem = found.problem(key, instance.hostname, now)
    if not problem and order == plan.NEXT:
        served.put(paths, key, chain.pem(found.certificates))
    elif not problem:
        problem = _serve(paths, system, instance, chain.pem(found.certificates))
    record = Record.load(paths)
    if problem:
        # The host's name is in every order.
        for rest in paths.acme_desk.glob("*.csr"):
            rest.unlink()
        _failed(record, found, problem, now).save(paths)
        _say(f"{order}: {problem}")
        return
    wish.unlink()
    wishes.fulfil(paths, order)
    came = found.certificates[0]
    following = plan.next_look(came, record.missing, instance.hostname, now)
    if order == plan.NEXT or any(paths.acme_desk.glob("*.csr")):
        # When the key in use needs its next one isn't known here, or there is more to come.
        following = now
    replace(record, failures=0, error="", next=following).save(paths)
    _say(f"{order}: {', '.join(chain.names(came))} by {chain.issuer(came)}")


def _failed(record: Record, found: outcome.Outcome, problem: str, now: float) -> Record:
    failures = record.failures + 1
    return replace(
        record,
        failures=failures,
        error=problem,
        refused={**record.refused, **dict.fromkeys(found.refused, now)},
        next=plan.retry(failures, now),
    )


def _serve(paths: Paths, system: System, instance: Instance, pem: bytes) -> str:
    """Have the daemons show a chain; return what went wrong, and then they show the old one."""
    before = served.put(paths, instance.tls.key, pem)
    try:
        applying.apply(paths, system, paths.kept.read_bytes(), where=str(paths.kept))
    except PostolkaError as error:
        served.put(paths, instance.tls.key, before)
        applying.apply(paths, system, paths.kept.read_bytes(), where=str(paths.kept))
        return str(error)
    return ""


def _say(text: str) -> None:
    """For the journal."""
    os.write(2, f"{text}\n".encode())
