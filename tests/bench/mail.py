"""The figures of mail: ours with and without the filters, and Debian's configuration beside it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from postolka.lab import client
from tests.bench import mailflow, mailservers
from tests.bench.figures import Figure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.bench.mailflow import Target

_BURST = 50
_SINGLE = 30
#: Connections are known to the server, and its daemons have read their files.
_WARM_UP = 10


def all_of(work: Path) -> Iterator[Figure]:
    """Yield every figure of mail, measured on servers with their files below `work`."""
    work.mkdir()
    with client.start(f"bench-{os.getpid()}") as lab:
        with mailservers.debians(lab, work / "state") as (machine, target):
            plain = _flow(target)
            mailservers.with_filters(machine)
            filtered = _flow(target)
        yield from _figures("debian_plain", "Debian's Postfix and Dovecot", plain, plain)
        yield from _figures(
            "debian", "the same with OpenDKIM, OpenDMARC, amavis, ClamAV", filtered, filtered
        )
        with mailservers.ours(lab, work / "instance") as (machine, target):
            chain = _flow(target)
            mailservers.without_filters(machine)
            bare = _flow(target)
        yield from _figures("bare", "ours without the content filter", bare, plain)
        yield from _figures("chain", "ours, the whole chain", chain, filtered)


def _flow(target: Target) -> tuple[float, float]:
    """Return mails a second in a burst, and the 95th percentile of a single mail's seconds."""
    mailflow.burst(target, _WARM_UP)
    return mailflow.burst(target, _BURST), mailflow.one_by_one(target, _SINGLE)


def _figures(
    name: str, label: str, flow: tuple[float, float], yardstick: tuple[float, float]
) -> Iterator[Figure]:
    yield Figure(
        name=f"mail_{name}_rate",
        label=f"{label}: mails a second of {_BURST} at once",
        value=flow[0],
        unit="/s",
        yardstick=yardstick[0],
    )
    yield Figure(
        name=f"mail_{name}_p95",
        label=f"{label}: one mail, SMTP to IMAP, 95 %",
        value=flow[1],
        yardstick=yardstick[1],
    )
