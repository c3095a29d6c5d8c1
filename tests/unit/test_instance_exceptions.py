"""An operator's exceptions: they hold to their last day, and mean no more than they say."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postolka.home import CHECKOUT
from postolka.instance import grammar
from postolka.instance.checks import exceptions as check
from postolka.instance.exceptions import Client, Exceptions, Header, Sender, Tls, Transport
from postolka.instance.parse import parse
from pyinfra_deploys import postfix, spamassassin
from tests.unit import golden

if TYPE_CHECKING:
    from postolka.instance.model import Instance

_DAY = date(2030, 1, 31)
_WHY: dict[str, Any] = {"reason": "ticket 4711", "until": _DAY}
_ALL = Exceptions(
    transports=(Transport(domain="moved.test", host="mx.new.test", **_WHY),),
    tls=(
        Tls(domain="moved.test", level="encrypt", **_WHY),
        Tls(domain="broken.test", level="may", **_WHY),
    ),
    blocked_clients=(Client(network="198.51.100.0/24", **_WHY),),
    blocked_senders=(Sender(sender="news.test", **_WHY),),
    allowed_clients=(Client(network="198.51.100.17", **_WHY),),
    allowed_senders=(Sender(sender="club.test", **_WHY), Sender(sender="a@b.test", **_WHY)),
    headers=(Header(header="Subject", contains="a.b/c (d) $e", action="hold", **_WHY),),
)


def _with(exceptions: Exceptions) -> Instance:
    return replace(golden.EXAMPLE, exceptions=exceptions)


def _files(exceptions: Exceptions) -> dict[str, list[str]]:
    """Return the lines of Postfix' maps that are no comments, by the files' names."""
    return {
        path.rpartition("/")[2]: [line for line in text.splitlines() if line[:1] not in ("#", "")]
        for path, text in golden.rendered(postfix, _with(exceptions)).items()
    }


def test_last_day_counts() -> None:
    """Each holds to its end, and is nothing from the next day on."""
    assert _ALL.on(_DAY) == _ALL
    assert _ALL.on(_DAY + timedelta(days=1)) == Exceptions()
    assert len(_ALL.all) == 9


def test_each_is_a_line_of_a_map() -> None:
    """In the words of Postfix; nothing else of the configuration changes."""
    before, after = _files(Exceptions()), _files(_ALL)
    added = {
        name: [line for line in lines if line not in before[name]]
        for name, lines in after.items()
        if lines != before[name]
    }
    refused = "REJECT blocked by this server's operator"
    assert added == {
        "transport": ["moved.test smtp:[mx.new.test]:25"],
        "tls_policy": ["[mx.new.test]:25 encrypt", "broken.test may"],
        # A smaller network beats the larger one behind it.
        "client_access.cidr": ["198.51.100.17 OK", f"198.51.100.0/24 {refused}"],
        "sender_access": [f"news.test {refused}"],
        "postscreen_access.cidr": ["198.51.100.17 permit"],
        "header_checks": [r"/^Subject:.*a\.b\/c \(d\) \$e/ HOLD"],
    }


def test_allowed_senders_are_the_filters() -> None:
    """With what is below a domain, and only where they prove themselves."""
    (path,) = (path for path in golden.rendered(spamassassin, _with(_ALL)) if "90-instance" in path)
    before, after = (
        golden.rendered(spamassassin, instance)[path].splitlines()
        for instance in (_with(Exceptions()), _with(_ALL))
    )
    assert [line for line in after if line not in before and line[:1] not in ("#", "")] == [
        "welcomelist_auth *@club.test *@*.club.test",
        "welcomelist_auth a@b.test",
    ]


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=50))
def test_headers_text_is_meant_as_it_stands(text: str) -> None:
    """Whatever it has in it, the pattern finds it, ends no line and no pattern."""
    if grammar.header_text(text):
        return
    pattern = Header(header="X-A", contains=text, action="hold", **_WHY).pattern
    assert re.search(pattern, f"X-A: before {text} after")
    assert not re.search(r"(?<!\\)(\\\\)*/", pattern)


def test_ended_ones_are_counted_and_named() -> None:
    """With their reasons, as what can be taken out of the data."""
    instance = _with(replace(_ALL, tls=()))
    found = check.check(instance, _DAY)
    assert (found.text, found.warnings) == ("7 in force, none ended", ())
    late = replace(_ALL.tls[1], until=_DAY - timedelta(days=1))
    found = check.check(_with(replace(_ALL, tls=(late,))), _DAY)
    assert found.text == "7 in force, 1 ended"
    (warning,) = found.warnings
    assert str(warning) == "tls broken.test: its exception ended on 2030-01-30 (ticket 4711)"


@pytest.mark.parametrize("text", ["2030-01-31", '"2030-01-31"'], ids=["YAML", "text"])
def test_day_is_read(text: str) -> None:
    """As YAML has it, and as JSON has to."""
    data = (CHECKOUT / "cloud-init/examples/every-field.yaml").read_text()
    found = parse(data.replace("until: 2030-01-31", f"until: {text}").encode()).exceptions
    assert {item.until for item in found.all} == {_DAY}
