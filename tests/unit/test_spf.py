"""Merging into an SPF record: the host may send, and nobody who might before no longer may."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postolka.instance import spf

_HOST = "mail.example.test"
_NAMES = st.from_regex(r"[a-z]{1,8}\.[a-z]{2,5}", fullmatch=True)
_MECHANISMS = st.one_of(
    st.sampled_from(["a", "mx", "mx/24", f"a:{_HOST}", f"A:{_HOST.upper()}", "ptr"]),
    st.builds("include:{}".format, _NAMES),
    st.builds("ip4:192.0.2.{}/{}".format, st.integers(0, 255), st.integers(24, 32)),
    st.builds("exists:%{{i}}.{}".format, _NAMES),
    st.builds("redirect={}".format, _NAMES),
)
_TERMS = st.one_of(
    st.builds("{}{}".format, st.sampled_from(["", "+", "?", "~", "-"]), _MECHANISMS),
    st.sampled_from(["-all", "~all", "?all", "all"]),
)
_RECORDS = st.builds(lambda terms: " ".join(["v=spf1", *terms]), st.lists(_TERMS, max_size=8))
_MX = st.sampled_from([(), (_HOST,), ("mx.old.example",), ("mx.old.example", _HOST)])


def _none(_: str) -> str:
    return ""


@given(record=_RECORDS, mx=_MX)
def test_host_may_send_before_anything_can_refuse_it(record: str, mx: tuple[str, ...]) -> None:
    """Its term, or `mx` where that stands for it, passes, and comes before all that don't."""
    terms = spf.merged(record, _HOST, mx=mx).lower().split()[1:]
    own = {f"a:{_HOST}", f"+a:{_HOST}"} | ({"mx", "+mx"} if _HOST in mx else set())
    first = next(index for index, term in enumerate(terms) if term in own)
    assert not [term for term in terms[:first] if term[0] in "-~?"]


@given(record=_RECORDS, mx=_MX)
def test_all_others_keep_their_place(record: str, mx: tuple[str, ...]) -> None:
    """Every term but the host's own is there, as it was, in its order."""
    own = f"a:{_HOST}"
    kept = [term for term in record.split() if term.lower() != own]
    merged = spf.merged(record, _HOST, mx=mx)
    assert [term for term in merged.split() if term.lower() != own] == kept
    assert len(merged.split()) <= len(record.split()) + 1


@given(record=_RECORDS, mx=_MX)
def test_merging_again_changes_nothing(record: str, mx: tuple[str, ...]) -> None:
    """What was published is what is expected the next time."""
    once = spf.merged(record, _HOST, mx=mx)
    assert spf.merged(once, _HOST, mx=mx) == once
    assert spf.is_record(once)


@pytest.mark.parametrize(
    ("record", "mx", "wanted"),
    [
        ("v=spf1 -all", (), f"v=spf1 a:{_HOST} -all"),
        ("v=spf1", (), f"v=spf1 a:{_HOST}"),
        ("V=SPF1  include:x.example   ~all", (), f"v=spf1 a:{_HOST} include:x.example ~all"),
        ("v=spf1 mx -all", (_HOST,), "v=spf1 mx -all"),
        ("v=spf1 mx -all", ("mx.old.example",), f"v=spf1 a:{_HOST} mx -all"),
        ("v=spf1 -all mx", (_HOST,), f"v=spf1 a:{_HOST} -all mx"),
        ("v=spf1 redirect=_spf.example", (), f"v=spf1 a:{_HOST} redirect=_spf.example"),
    ],
)
def test_merged_record_is(record: str, mx: tuple[str, ...], wanted: str) -> None:
    """As an operator would write it."""
    assert spf.merged(record, _HOST, mx=mx) == wanted


def test_only_spf_is_taken_for_it() -> None:
    """RFC 7208, 4.5: the version is a word of its own, in any case."""
    assert spf.is_record("v=spf1")
    assert spf.is_record("V=spf1 -all")
    assert not spf.is_record("v=spf10 -all")
    assert not spf.is_record("spf2.0/pra -all")


@pytest.mark.parametrize(
    ("term", "problem"),
    [
        ("inlcude:x.example", "is no term of SPF"),
        ("ip4:192.0.2.x", "is no term of SPF"),
        ("+all", "lets everybody send"),
        ("all", "lets everybody send"),
    ],
)
def test_mistakes_are_named(term: str, problem: str) -> None:
    """With the term that is wrong."""
    (found,) = spf.problems(f"v=spf1 {term} ip4:192.0.2.0/24", _none)
    assert found.startswith(f'"{term}" {problem}')


@pytest.mark.parametrize(
    "term",
    ["a", "a/24", "mx:x.example//64", "-mx", "ip4:192.0.2.1", "ip6:2001:db8::/32", "?ptr:x.example",
     "exists:%{i}._spf.x.example", "include:_spf.x.example", "redirect=x.example", "exp=e.example",
     "unknown-modifier=x"],
)  # fmt: skip
def test_good_terms_are_no_mistakes(term: str) -> None:
    """All that RFC 7208 has; modifiers that nobody knows are ignored (6)."""
    assert list(spf.problems(f"v=spf1 {term} ~all", _none)) == []


def test_lookups_of_others_count() -> None:
    """Ten are allowed, those behind `include` among them; a circle ends."""
    others = {
        "a.example": "v=spf1 a mx include:b.example -all",
        "b.example": "v=spf1 a mx ptr ~all",
    }
    record = "v=spf1 include:a.example redirect=b.example"
    assert spf.lookups(record, lambda name: others.get(name, "")) == 1 + 3 + 3 + 1 + 3
    assert spf.lookups("v=spf1 a mx ip4:192.0.2.1 -all exp=x.example", _none) == 2
    (problem,) = spf.problems(record, lambda name: others.get(name, ""))
    assert "more than 10" in problem
    assert spf.lookups("v=spf1 include:a.example", lambda _: "v=spf1 include:a.example") == 11
