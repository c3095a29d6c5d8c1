"""Users and groups with pinned ids, in a root before its first package is configured.

Package scripts number accounts in the order in which they run, so one more package would shift
them and orphan what lies on the state partition.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from postolka.errors import Problem, ProblemsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pyinfra_deploys.room import User

#: Debian's static ids end here (its last one is the group users, 100).
_LAST_STATIC_ID = 100
_NOBODY = 65534


def passwd(users: Sequence[User], master: str) -> str:
    """Return /etc/passwd: base-passwd's `master` and the users that aren't only groups."""
    return master + "".join(
        f"{user.name}:*:{user.id}:{user.id}:{user.comment}:{user.home}:{user.shell}\n"
        for user in users
        if not user.is_group_only
    )


def group(users: Sequence[User], master: str) -> str:
    """Return /etc/group: base-passwd's `master` and one group a user, with their members.

    Raises ProblemsError where a user is to join a group that nobody makes.
    """
    lines = [*master.splitlines(), *(f"{user.name}:*:{user.id}:" for user in users)]
    members: dict[str, list[str]] = {line.split(":")[0]: [] for line in lines}
    unknown = []
    for user in users:
        for name in user.groups:
            if name in members:
                members[name].append(user.name)
            else:
                unknown.append(Problem(user.name, f"the group {name} is no room's"))
    if unknown:
        raise ProblemsError("accounts", unknown, hint="pin the group in a room's USERS")
    return "".join(f"{line}{','.join(members[line.split(':')[0]])}\n" for line in lines)


def check(users: Sequence[User], root: Path) -> None:
    """Raise ProblemsError unless the accounts in `root` have exactly the pinned ids."""
    problems = []
    for file in ("passwd", "group"):
        wanted = {u.name: u.id for u in users if file == "group" or not u.is_group_only}
        found = dict(_ids(root / "etc" / file))
        for name, number in found.items():
            if name not in wanted and _LAST_STATIC_ID < number != _NOBODY:
                problems.append(Problem(f"/etc/{file}", f"{name} has the unpinned id {number}"))
        for name, number in wanted.items():
            if found.get(name) != number:
                text = f"{name} has the id {found.get(name)}, not {number}"
                problems.append(Problem(f"/etc/{file}", text))
    if problems:
        raise ProblemsError(
            "accounts of the packages", problems, hint="pin it in USERS of the room that needs it"
        )


def _ids(file: Path) -> Iterator[tuple[str, int]]:
    for line in file.read_text().splitlines():
        fields = line.split(":")
        yield fields[0], int(fields[2])
