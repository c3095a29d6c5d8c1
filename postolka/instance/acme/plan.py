"""What is to be ordered, and when to look again. Pure: no I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from postolka.instance import chain
from postolka.instance.checks.check import DAY_SECONDS, HOUR_SECONDS, MINUTE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from cryptography import x509

#: Orders are taken in this order: who waits for the host's certificate has it first.
FIRST, ALL = "host", "all"
#: For the key that comes next, so that a roll-over finds its certificate there.
NEXT = "next"

#: Authorities count failures: Let's Encrypt five in an hour for a name.
_FIRST_RETRY_SECONDS = 15 * MINUTE_SECONDS
_LAST_RETRY_SECONDS = 6 * HOUR_SECONDS
#: Our own look at the DNS costs nobody anything.
_HOST_AGAIN_SECONDS = 5 * MINUTE_SECONDS
_NAMES_AGAIN_SECONDS = HOUR_SECONDS
#: For a name that the authority couldn't prove, although it leads here.
REFUSED_SECONDS = DAY_SECONDS
#: Without anything to do, all the same.
IDLE_SECONDS = DAY_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A certificate to ask for."""

    name: str
    """FIRST, ALL or NEXT."""
    names: tuple[str, ...]


def orders(
    current: x509.Certificate | None,
    host: str,
    others: Sequence[str],
    now: float,
    *,
    is_wanted: bool = False,
) -> tuple[Order, ...]:
    """Return what to order. `others` are the names besides the host's that can be proved now.

    A name that can't be proved at present stays in the certificate until it is renewed. With
    `is_wanted` somebody wants one that isn't due.
    """
    everything = Order(name=ALL, names=(host, *others))
    if current is None or now >= chain.last_call(current):
        first = Order(name=FIRST, names=(host,))
        return (first, everything) if others else (first,)
    is_good = set(everything.names) <= set(chain.names(current)) and now < chain.renewal(current)
    return () if is_good and not is_wanted else (everything,)


def next_look(
    current: x509.Certificate | None, missing: Collection[str], host: str, now: float
) -> float:
    """Return when to look again while nothing fails."""
    if host in missing:
        return now + _HOST_AGAIN_SECONDS
    soon = now + (_NAMES_AGAIN_SECONDS if missing else IDLE_SECONDS)
    return soon if current is None else min(soon, max(now, chain.renewal(current)))


def retry(failures: int, now: float) -> float:
    """Return when to try again after so many failures, at least one."""
    # By then it is the longest wait.
    steps = min(failures - 1, 16)
    return now + min(_FIRST_RETRY_SECONDS << steps, _LAST_RETRY_SECONDS)
