"""What becomes of a mail that OpenDMARC has marked. Pure: no I/O; the DNS is a function.

A mail is refused only on what is known for certain, and taken only when its author's policy is
known to let it pass: while the DNS doesn't answer, it is put off.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: What is done where a domain's policy asks for a refusal.
OnFailure = Literal["reject", "spam-folder"]
_METHODS = re.compile(r";\s*(dmarc|spf)=([a-z]+)(?:\s+\(p=([a-z]+)\s+dis=[a-z]+\))?", re.IGNORECASE)
_AUTHOR = re.compile(r"\sheader\.from=([^\s;]+)", re.IGNORECASE)
_PERCENT = re.compile(r";\s*pct\s*=\s*([0-9]{1,3})\s*(?:;|$)", re.IGNORECASE)
_ALL = 100


class UnknownError(Exception):
    """The DNS gave no answer: neither a record nor that there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """What is known of a mail."""

    authors: Sequence[str]
    """The value of each From field."""
    results: Sequence[str]
    """The value of each Authentication-Results field, the newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """By what a mail is judged."""

    authserv_id: str
    """By which the server's own results are known (RFC 8601, 2.5)."""
    on_failure: OnFailure
    record: Callable[[str], str | None]
    """A domain's own DMARC record (TXT of _dmarc.DOMAIN), or None. Raises UnknownError."""
    organisation: Callable[[str], str]
    """A domain's organisational domain."""
    draw: Callable[[], int]
    """A number from 0 to 99, drawn for a policy that is for a part of the mail (pct)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What becomes of the mail, and why."""

    action: Literal["pass", "spam", "defer", "refuse"]
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verdict:
    """OpenDMARC's: `result` is empty where it has given none."""

    result: str = ""
    policy: str = ""
    author: str = ""
    spf: str = ""


def judge(mail: Mail, policy: Policy) -> Outcome:
    """Return what becomes of `mail`."""
    if len(mail.authors) > 1:
        # One is judged and another is shown (RFC 7489, 6.6.1).
        return Outcome(action="refuse", why="more than one From field")
    verdict = _verdict(mail.results, policy.authserv_id)
    if not verdict.result:
        if any("@" in author for author in mail.authors):
            return Outcome(action="refuse", why="a From field without a readable domain")
        return Outcome(action="pass", why="no author's domain")
    try:
        return _by_verdict(verdict, policy)
    except UnknownError as error:
        return Outcome(action="defer", why=f"the policy of {verdict.author} is not known: {error}")


def _by_verdict(verdict: _Verdict, policy: Policy) -> Outcome:
    author = verdict.author
    if verdict.result == "none":
        # It says so too when it couldn't look.
        if any(policy.record(name) for name in _holders(author, policy)):
            return Outcome(action="defer", why=f"the policy of {author} was not seen")
        return Outcome(action="pass", why=f"{author} has no policy")
    if verdict.result == "fail" and verdict.policy in ("quarantine", "reject"):
        return _by_failure(verdict, policy)
    return Outcome(action="pass", why=f"{author}: {verdict.result} {verdict.policy}".rstrip())


def _by_failure(verdict: _Verdict, policy: Policy) -> Outcome:
    author = verdict.author
    if verdict.spf in ("tempfail", "temperror"):
        return Outcome(action="defer", why=f"SPF of {author}'s mail can't be looked up")
    if policy.draw() >= _percent(author, policy):
        return Outcome(action="pass", why=f"{author}: not among its pct")
    if verdict.policy == "reject" and policy.on_failure == "reject":
        return Outcome(action="refuse", why=f"rejected by the DMARC policy of {author}")
    return Outcome(action="spam", why=f"{author}: fail, p={verdict.policy}")


def _holders(author: str, policy: Policy) -> list[str]:
    """Return the domains whose record may hold for `author` (RFC 7489, 6.6.3)."""
    return list(dict.fromkeys((author, policy.organisation(author))))


def _percent(author: str, policy: Policy) -> int:
    for name in _holders(author, policy):
        if record := policy.record(name):
            found = _PERCENT.search(record)
            return int(found[1]) if found else _ALL
    return _ALL


def _verdict(results: Sequence[str], authserv_id: str) -> _Verdict:
    """Return what the server's own results say; where two say it, the newest."""
    found = _Verdict()
    for value in reversed(results):
        name, _, rest = value.strip().partition(";")
        if name.strip().lower() != authserv_id:
            continue
        for method, result, asked in _METHODS.findall(f";{rest}"):
            if method.lower() == "spf":
                found = replace(found, spf=result.lower())
                continue
            author = _AUTHOR.search(rest)
            found = _Verdict(
                result=result.lower(),
                policy=asked.lower(),
                author=author[1].lower().rstrip(".") if author else "",
                spf=found.spf,
            )
    return found
