"""The limit on what a login may send: the counting; the rest is tried over the wire."""

from __future__ import annotations

from postolka.instance.ratelimit import HOUR_SECONDS, Limit


def test_recipients_of_an_hour_count() -> None:
    """What was sent longer ago doesn't, and a refused mail never does."""
    limit = Limit(recipients_per_hour=10)
    assert limit.take("a", 6, 0.0)
    assert not limit.take("a", 5, 1.0)
    assert limit.take("a", 4, 2.0)
    assert not limit.take("a", 1, HOUR_SECONDS - 1)
    assert limit.take("a", 6, HOUR_SECONDS + 1)


def test_each_login_has_its_own() -> None:
    """One that sends too much doesn't hold up another."""
    limit = Limit(recipients_per_hour=1)
    assert limit.take("a", 1, 0.0)
    assert not limit.take("a", 1, 0.0)
    assert limit.take("b", 1, 0.0)


def test_a_refusal_is_news_once_an_hour() -> None:
    """The admin gets one mail, however often a program tries."""
    limit = Limit(recipients_per_hour=1)
    assert limit.is_news("a", 0.0)
    assert not limit.is_news("a", 60.0)
    assert limit.exceeded(61.0) == ["a"]
    assert limit.is_news("a", HOUR_SECONDS + 1)
    assert limit.exceeded(2 * HOUR_SECONDS + 2) == []
