"""System accounts with pinned ids, made before any package could make them with ids of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra.api.command import QuoteString, StringCommand
from pyinfra.api.exceptions import OperationError
from pyinfra.api.operation import operation
from pyinfra.context import host

from pyinfra_deploys.facts.accounts import Accounts, AccountsState

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from pyinfra_deploys.room import User


@operation()
def present(users: Sequence[User]) -> Generator[StringCommand, None, None]:
    """Make the groups and users of `users` that aren't there, with their pinned ids.

    One that a machine has already keeps its id, whatever that is: files there belong to it.

    Raises OperationError where a pinned id is somebody else's on the machine.
    """
    if not users:
        return
    found = host.get_fact(Accounts)
    taken = sorted(_taken(users, found))
    if taken:
        raise OperationError("; ".join(taken))
    for user in users:
        if user.name not in found.groups:
            yield StringCommand("groupadd", "--gid", str(user.id), QuoteString(user.name))
    for user in users:
        if not user.is_group_only and user.name not in found.users:
            yield StringCommand(
                *("useradd", "--uid", str(user.id), "--gid", QuoteString(user.name)),
                *("--no-create-home", "--home-dir", QuoteString(user.home)),
                *("--shell", QuoteString(user.shell), "--comment", QuoteString(user.comment)),
                QuoteString(user.name),
            )
    for user in users:
        missing = [group for group in user.groups if (group, user.name) not in found.members]
        if missing:
            groups = QuoteString(",".join(missing))
            yield StringCommand("usermod", "--append", "--groups", groups, QuoteString(user.name))


def _taken(users: Iterable[User], found: AccountsState) -> Iterable[str]:
    for kind, ids in (("user", found.users), ("group", found.groups)):
        owners = {number: name for name, number in ids.items()}
        for user in users:
            owner = owners.get(user.id, user.name)
            is_wanted = user.name not in ids and not (kind == "user" and user.is_group_only)
            if is_wanted and owner != user.name:
                yield f"the id {user.id} of {user.name} is the {kind} {owner}'s on this machine"
