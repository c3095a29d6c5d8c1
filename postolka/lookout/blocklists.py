"""Whether the DNS lists that this server asks have it, or refuse to answer it (RFC 5782)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from postolka.errors import PostolkaError, Problem
from postolka.instance import dns
from postolka.instance.checks.check import Check, Figure
from postolka.instance.transport import ZEN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from postolka.instance.transport import Dnsbl
    from postolka.live import Lookup

#: The entry that every list has for tests (RFC 5782, 5).
_TEST = "127.0.0.2"
#: Spamhaus's answers to whom it doesn't answer:
#: https://www.spamhaus.org/faqs/dnsbl-usage/
_REFUSED = "127.255.255."
_KEYED = ".zen.dq.spamhaus.net"
#: One part of Postfix's filter (postconf(5), postscreen_dnsbl_sites): 2, or [2..11;20].
_PART = re.compile(r"\[[^]]*\]|\d+")


def check(lists: Sequence[Dnsbl], addresses: Sequence[str], ask: Lookup) -> Check:
    """Ask each list for its test entry, and each that counts against a client for `addresses`."""
    warnings: list[Problem] = []
    figures: list[Figure] = []
    listed = 0
    for item in lists:
        name = ZEN if item.site.endswith(_KEYED) else item.site
        try:
            refusal = next(_refusals(ask(_name(_TEST, item), "A").values), "")
            if refusal:
                text = f"answers {refusal}, so it refuses this server; its answers count as nothing"
                warnings.append(Problem(name, text))
            hits = [] if item.weight < 0 else list(_listings(item, addresses, ask))
        except PostolkaError as error:
            warnings.append(Problem(name, error.problem))
            continue
        warnings += [Problem(name, f"lists {address}: {answer}") for address, answer in hits]
        listed += bool(hits)
        figures.append(Figure(name="list_refuses", value=bool(refusal), labels={"list": name}))
        figures.append(Figure(name="list_has_us", value=bool(hits), labels={"list": name}))
    text = f"{listed or 'none'} of {len(lists)} has this server" if lists else "none is named"
    return Check(name="lists", text=text, warnings=tuple(warnings), figures=tuple(figures))


def _listings(item: Dnsbl, addresses: Sequence[str], ask: Lookup) -> Iterator[tuple[str, str]]:
    for address in addresses:
        for answer in ask(_name(address, item), "A").values:
            if not answer.startswith(_REFUSED) and counts(answer, item.answers):
                yield address, answer


def _refusals(answers: Sequence[str]) -> Iterator[str]:
    return (answer for answer in answers if answer.startswith(_REFUSED))


def _name(address: str, item: Dnsbl) -> str:
    """Return the name to ask for: the address backwards, below the list's own name."""
    (record,) = dns.reverse("", [address])
    return f"{record.name.removesuffix('.in-addr.arpa.').removesuffix('.ip6.arpa.')}.{item.site}."


def counts(answer: str, wanted: str) -> bool:
    """Say whether an answer is one of those that Postfix's filter lets count; without one, any."""
    if not wanted:
        return answer.startswith("127.")
    parts, octets = _PART.findall(wanted), answer.split(".")
    return len(parts) == len(octets) and all(map(_matches, octets, parts))


def _matches(octet: str, part: str) -> bool:
    for choice in part.strip("[]").split(";"):
        low, _, high = choice.partition("..")
        if low.isdecimal() and int(low) <= int(octet) <= int(high or low):
            return True
    return False
