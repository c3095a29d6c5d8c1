"""Whether the DNS has what the server's data want published: what `postolka dns check` sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from postolka import published
from postolka.errors import Problem
from postolka.instance import dns, spf
from postolka.instance.checks.check import Check, Figure

if TYPE_CHECKING:
    from postolka.live import Lookup
    from postolka.published import Difference, Wanted

_SHOWN = 4


def check(wanted: Wanted, ask: Lookup) -> Check:
    """Look every record up. What serves, but is laxer than for a new domain, is only counted."""
    report = published.compare(wanted, ask)
    lax = [item for item in report.differences if serves(item, wanted.hostname)]
    wrong = [item for item in report.differences if item not in lax]
    warnings = []
    if wrong:
        names = [f"{item.name} {item.type}" for item in wrong[:_SHOWN]]
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        text = f"not as it should be: {', '.join(names)}{more}; postolka dns check tells how"
        warnings.append(Problem("dns", text))
    unsigned = [name for name, is_authentic in report.dnssec.items() if not is_authentic]
    text = f"{report.checked} record sets, {len(wrong) or 'none'} wrong"
    if lax:
        text += f", {len(lax)} laxer than for a new domain"
    text += f", no DNSSEC for {', '.join(unsigned)}" if unsigned else ", DNSSEC holds"
    if not wrong and 0 < report.ttl_seconds <= dns.TTL_SECONDS:
        text += f"; all is well, so raise their TTL: --ttl {dns.LASTING_TTL_SECONDS}"
    figures = [
        Figure(name="dns_record_sets", value=report.checked),
        Figure(name="dns_record_sets_wrong", value=len(wrong)),
    ]
    figures += [
        Figure(name="dnssec_ok", value=is_authentic, labels={"zone": name})
        for name, is_authentic in report.dnssec.items()
    ]
    return Check(name="dns", text=text, warnings=tuple(warnings), figures=tuple(figures))


def serves(item: Difference, hostname: str) -> bool:
    """Say whether what is live does its work: a domain that was in use before keeps its own."""
    if item.failure:
        return False
    if item.type == "CAA":
        # Without any, every authority may issue.
        return set(item.expected) <= set(item.found) or not item.found
    if item.type != "TXT" or len(item.found) != 1:
        return False
    (found,) = item.found
    if spf.is_record(found):
        terms = " ".join(found.lower().split())
        return spf.merged(terms, hostname, mx=(hostname,)) == terms
    tag = {"_dmarc": "v=dmarc1", "_smtp": "v=tlsrptv1"}.get(item.name.partition(".")[0])
    return tag is not None and found.lower().startswith(tag)
