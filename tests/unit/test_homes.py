"""Homes of mailboxes: no owner of an address ever has another's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import pytest

from postolka.errors import PostolkaError
from postolka.instance.homes import Homes
from postolka.instance.paths import Paths

if TYPE_CHECKING:
    from pathlib import Path

    from postolka.instance.sql import Server

_ADDRESS = "alice@example.test"


@dataclass(frozen=True, slots=True)
class _Database:
    """What answers each question by the same rows."""

    maildirs: tuple[str, ...]

    def run(self, _query: str) -> str:
        return "".join(f"{maildir}\n" for maildir in self.maildirs)


def _homes(root: Path, *maildirs: str) -> Homes:
    paths = Paths(root)
    paths.deleted_mail.mkdir(parents=True)
    return Homes(paths, cast("Server", _Database(maildirs)))


def _mail(home: Path) -> Path:
    (home / "Maildir/new").mkdir(parents=True)
    (home / "Maildir/new/1").write_text("old mail")
    return home


def test_home_is_what_the_row_says(tmp_path: Path) -> None:
    """PostfixAdmin's own, or without a mailbox what `user add` would make."""
    store = tmp_path / "var/vmail"
    row = "example.test/alice,0a1b2c3d/"
    assert _homes(tmp_path / "a", row).of(_ADDRESS) == tmp_path / "a/var/vmail" / row
    assert _homes(tmp_path).of(_ADDRESS) == store / "example.test/alice"


@pytest.mark.parametrize("maildir", ["../../etc/", "/etc/x/", "example.test/..", ".deleted/x", "x"])
def test_row_leads_nowhere_else(tmp_path: Path, maildir: str) -> None:
    """A row that something else has written moves nothing outside the store."""
    with pytest.raises(PostolkaError, match=r"not domain/local part/"):
        _homes(tmp_path, maildir).of(_ADDRESS)


def test_only_ownerless_homes_are_moved(tmp_path: Path) -> None:
    """Whichever way they were made; each is kept under its address."""
    homes = _homes(tmp_path, "example.test/alice,2222/", "example.test/bob/")
    store = tmp_path / "var/vmail/example.test"
    kept = [_mail(store / "alice,2222"), _mail(store / "bob")]
    gone = [_mail(store / "alice,1111"), _mail(store / "alice")]
    moved = homes.set_aside_ownerless()
    assert all(home.exists() for home in kept)
    assert not any(home.exists() for home in gone)
    assert [path.name.partition("@")[0] for path in moved] == ["alice", "alice"]
    assert all((path / "Maildir/new/1").exists() for path in moved)
    assert homes.set_aside_ownerless() == []
