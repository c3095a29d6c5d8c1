"""What status warns of."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from postolka.instance import health

if TYPE_CHECKING:
    from pathlib import Path

_DAY = 86400


def test_signatures_are_missing_until_fetched(tmp_path: Path) -> None:
    """What the image brings doesn't count."""
    (tmp_path / "postolka.ndb").touch()
    (tmp_path / "freshclam.dat").touch()
    (found,) = health.signatures(tmp_path, 0)
    assert str(found).startswith("virus signatures: missing")


@pytest.mark.parametrize(("days", "said"), [(1, []), (6, []), (8, ["8 days old"])])
def test_old_signatures_are_told(tmp_path: Path, days: int, said: list[str]) -> None:
    """The newest counts, and its makers publish every day."""
    for name, age in (("main.cvd", 400), ("daily.cld", days)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1000 * _DAY - age * _DAY,) * 2)
    found = list(health.signatures(tmp_path, 1000 * _DAY))
    assert [problem.text.partition(":")[0] for problem in found] == said


@pytest.mark.parametrize("answer", ["", "127.0.0.2", "127.0.0.10"])
def test_list_that_answers_is_well(answer: str) -> None:
    """So is one that isn't there: its absence costs nothing but its score."""
    assert not list(health.blocklist(answer))


def test_refusal_of_a_list_is_told() -> None:
    """127.255.255.254: it takes this server's resolver for a public one."""
    (found,) = health.blocklist("127.255.255.254")
    assert "refuses this server" in found.text
