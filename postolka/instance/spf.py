"""SPF records (RFC 7208): have one more host send for a domain, and take that right from nobody.

Pure: no I/O.
"""

from __future__ import annotations

import re
from itertools import takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

#: RFC 7208, 4.6.4: with more, the record is an error and counts for nothing.
MAX_LOOKUPS = 10
_VERSION = "v=spf1"
#: RFC 7208, 5 and 6; `name=value` is a modifier, of which all but two are to be ignored.
_TERM = re.compile(
    r"[+?~-]?(all|(a|mx)(:[^/\s]+)?(/\d{1,2})?(//\d{1,3})?|ptr(:\S+)?|ip4:[\d./]+"
    r"|ip6:[0-9a-f:./]+|(include|exists):\S+)|[a-z][\w.-]*=\S*",
    re.IGNORECASE,
)
_LOOKUP = re.compile(r"[+?~-]?(a|mx|ptr|exists|include|redirect)(?=[:=/]|$)", re.IGNORECASE)
_OTHER = re.compile(r"(?:\+?include:|redirect=)([^%\s]+)", re.IGNORECASE)
_LAX = re.compile(r"\+?all", re.IGNORECASE)


def is_record(text: str) -> bool:
    """Return whether a TXT record is one of SPF (RFC 7208, 4.5)."""
    return text.lower() == _VERSION or text.lower().startswith(f"{_VERSION} ")


def merged(record: str, hostname: str, *, mx: Collection[str]) -> str:
    """Return `record` with `hostname` among those who send; all other terms stay, in their order.

    `mx` are the domain's mail servers at present: the term `mx` stands for them. The host's own
    term is `a:`, which is right before the mail moves here, and after it.
    """
    terms = record.split()[1:]
    own = f"a:{hostname}"
    enough = {own, f"+{own}", *(("mx", "+mx") if hostname in mx else ())}
    # What comes after a term that can refuse may never be reached.
    passing = takewhile(lambda term: term[0] not in "-~?", terms)
    if any(term.lower() in enough for term in passing):
        return " ".join((_VERSION, *terms))
    return " ".join((_VERSION, own, *(term for term in terms if term.lower() != own)))


def problems(record: str, find: Callable[[str], str]) -> Iterator[str]:
    """Yield what is wrong with `record`; `find` returns the SPF record of another domain, or ""."""
    terms = record.split()[1:]
    for term in terms:
        if not _TERM.fullmatch(term):
            yield f'"{term}" is no term of SPF, so that receivers ignore the record (RFC 7208, 4.6)'
        elif _LAX.fullmatch(term):
            yield f'"{term}" lets everybody send'
    if (count := lookups(record, find)) > MAX_LOOKUPS:
        yield (
            f"it takes {count} lookups or more, and with more than {MAX_LOOKUPS} receivers ignore "
            "it (RFC 7208, 4.6.4)"
        )


def lookups(record: str, find: Callable[[str], str]) -> int:
    """Return how many lookups a receiver needs, those of other domains' records included.

    Counting ends beyond MAX_LOOKUPS, so a circle ends too.
    """
    count, waiting = 0, [record]
    while waiting and count <= MAX_LOOKUPS:
        terms = waiting.pop().split()[1:]
        count += sum(1 for term in terms if _LOOKUP.match(term))
        if count <= MAX_LOOKUPS:
            others = filter(None, map(_OTHER.fullmatch, terms))
            waiting += [find(other[1]) for other in others]
    return count
