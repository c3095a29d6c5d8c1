"""The certificate that the daemons show, and what became of ordering the next one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from postolka.errors import Problem
from postolka.instance import chain
from postolka.instance.checks.check import Check, Figure, duration

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cryptography import x509

    from postolka.instance.acme.record import Record

#: An authority's is renewed when a third of its time is left; by then that has failed for a while.
_LEFT = 1 / 4
_SUBJECT = "certificate"


def check(file: Path, hostname: str, now: float, orders: Record | None = None) -> Check:
    """Judge the certificate in `file` (PEM), which clients of `hostname` get, and its orders."""
    try:
        found = chain.load(file.read_bytes())
    except OSError:
        found = ()
    if not found:
        problem = Problem(_SUBJECT, f"{file} can't be read")
        return Check(name="tls", text="no certificate", problems=(problem,))
    judged = judge(found[0], hostname, now)
    if orders is None or not orders.is_on:
        return judged
    text = judged.text
    if not chain.is_self_signed(found[0]):
        text += f", the next from {_day(chain.renewal(found[0]))} on"
    warnings = (*judged.warnings, *_orders(found[0], hostname, now, orders))
    figure = Figure(name="certificate_order_failures", value=orders.failures)
    return replace(judged, text=text, warnings=warnings, figures=(*judged.figures, figure))


def judge(certificate: x509.Certificate, hostname: str, now: float) -> Check:
    """Judge a certificate at a time."""
    begin, end = chain.begin(certificate), chain.end(certificate)
    names = chain.names(certificate)
    is_own = chain.is_self_signed(certificate)
    problems, warnings = [], []
    if now >= end:
        problems.append(Problem(_SUBJECT, f"has ended {duration(now - end)} ago"))
    elif now < begin:
        problems.append(Problem(_SUBJECT, "isn't valid yet; is the clock right?"))
    elif end - now < (end - begin) * _LEFT:
        warnings.append(Problem(_SUBJECT, f"ends in {duration(end - now)}"))
    if not chain.covers(certificate, hostname):
        said = f"isn't for {hostname}, but {', '.join(names) or 'nobody'}"
        problems.append(Problem(_SUBJECT, said))
    who = "self-signed" if is_own else f"by {chain.issuer(certificate)}"
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return Check(
        name="tls",
        text=f"{names[0] if names else 'nobody'}{more}, {who}, until {_day(end)}",
        problems=tuple(problems),
        warnings=tuple(warnings),
        figures=(
            Figure(name="certificate_end_timestamp_seconds", value=end),
            Figure(name="certificate_self_signed", value=is_own),
        ),
    )


def _orders(
    certificate: x509.Certificate, hostname: str, now: float, orders: Record
) -> Iterator[Problem]:
    again = f"tried again in {duration(orders.next - now)}"
    if orders.error:
        times = f", {orders.failures} times in a row" if orders.failures > 1 else ""
        yield Problem(_SUBJECT, f"the order failed{times}, {again}: {orders.error}")
    names = () if chain.is_self_signed(certificate) else chain.names(certificate)
    for name, why in orders.missing.items():
        # A name that is in it counts once it is to be renewed; the host's stops every order.
        if name == hostname:
            yield Problem(_SUBJECT, f"none is ordered, {again}: {name} {why}")
        elif name not in names and hostname not in orders.missing:
            yield Problem(_SUBJECT, f"is without {name}: {why}")


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
