"""Accounts get the ids that the rooms pin, and no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from postolka.errors import ProblemsError
from postolka.layers import accounts
from pyinfra_deploys import server
from pyinfra_deploys.room import User

if TYPE_CHECKING:
    from pathlib import Path

PASSWD = "root:*:0:0:root:/root:/bin/bash\nnobody:*:65534:65534:nobody:/:/usr/sbin/nologin\n"
GROUP = "root:*:0:\nadm:*:4:\nusers:*:100:\nnogroup:*:65534:\n"
USERS = (
    User(name="ssl-cert", id=104, is_group_only=True),
    User(name="mta", id=105, comment="Mail", home="/var/spool/mta", groups=("ssl-cert", "adm")),
)


def test_accounts_follow_debians_own() -> None:
    """The files are base-passwd's with the rooms' lines after them, without a password."""
    assert accounts.passwd(USERS, PASSWD) == (
        PASSWD + "mta:*:105:105:Mail:/var/spool/mta:/usr/sbin/nologin\n"
    )
    assert accounts.group(USERS, GROUP) == (
        "root:*:0:\nadm:*:4:mta\nusers:*:100:\nnogroup:*:65534:\nssl-cert:*:104:mta\nmta:*:105:\n"
    )


def test_unknown_group_is_refused() -> None:
    """A membership in a group that nobody makes is an error of the room."""
    with pytest.raises(ProblemsError, match="the group sasl is no room's"):
        accounts.group((User(name="mta", id=105, groups=("sasl",)),), GROUP)


def _root(tmp_path: Path, passwd: str, group: str) -> Path:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(passwd)
    (tmp_path / "etc/group").write_text(group)
    return tmp_path


def test_pinned_accounts_pass(tmp_path: Path) -> None:
    """A root with exactly the pinned ids is accepted."""
    passwd, group = accounts.passwd(USERS, PASSWD), accounts.group(USERS, GROUP)
    accounts.check(USERS, _root(tmp_path, passwd, group))


def test_every_unpinned_account_is_named(tmp_path: Path) -> None:
    """Accounts that packages made by themselves, or with other ids, are told all at once."""
    passwd = PASSWD + "mta:x:106:105::/:/bin/false\nnew:x:999:999::/:/bin/false\n"
    group = GROUP + "mta:x:105:\nnew:x:999:\n"
    with pytest.raises(ProblemsError) as caught:
        accounts.check(USERS, _root(tmp_path, passwd, group))
    assert [str(problem) for problem in caught.value.problems] == [
        "/etc/group: new has the unpinned id 999",
        "/etc/group: ssl-cert has the id None, not 104",
        "/etc/passwd: mta has the id 106, not 105",
        "/etc/passwd: new has the unpinned id 999",
    ]


def test_the_rooms_accounts_are_unique() -> None:
    """No two rooms use one id or one name, and none takes a static id of Debian's."""
    users = server.users(server.all_rooms())
    assert len({user.id for user in users}) == len({user.name for user in users}) == len(users)
    assert all(100 < user.id < 60000 for user in users)
