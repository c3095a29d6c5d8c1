"""System accounts with pinned ids, made before any package could make them with ids of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra.api.command import QuoteString, StringCommand
from pyinfra.api.exceptions import OperationError
from pyinfra.api.operation import operation
from pyinfra.context import host

from pyinfra_deploys.facts.accounts import Accounts, AccountsState

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence

    from pyinfra_deploys.room import User


#: From here on an id stands in a daemon's configuration, too: the owner of all mail in Dovecot's.
_FIRST_FIXED = 5000
#: login.defs(5): ids of system accounts are below.
_FIRST_PERSON = 1000


@operation()
def present(users: Sequence[User]) -> Generator[StringCommand, None, None]:
    """Make the groups and users of `users` that aren't there, with their pinned ids.

    On a machine that isn't made from an image, one that is there already keeps its id, since files
    belong to it; and where the pinned id is somebody else's (1000 mostly is), the account gets the
    next free one: the daemons go by its name.

    Raises OperationError where the id of the mail's owner is somebody else's on the machine.
    """
    if not users:
        return
    found = host.get_fact(Accounts)
    taken = sorted(_taken(users, found))
    if taken:
        raise OperationError("; ".join(taken))
    for user in users:
        if user.name not in found.groups:
            number = _number(user, "--gid", found.groups)
            yield StringCommand("groupadd", *number, QuoteString(user.name))
    for user in users:
        if not user.is_group_only and user.name not in found.users:
            yield StringCommand(
                *("useradd", *_number(user, "--uid", found.users)),
                *("--gid", QuoteString(user.name)),
                *("--no-create-home", "--home-dir", QuoteString(user.home)),
                *("--shell", QuoteString(user.shell), "--comment", QuoteString(user.comment)),
                QuoteString(user.name),
            )
    for user in users:
        missing = [group for group in user.groups if (group, user.name) not in found.members]
        if missing:
            groups = QuoteString(",".join(missing))
            yield StringCommand("usermod", "--append", "--groups", groups, QuoteString(user.name))


def _number(user: User, option: str, ids: Mapping[str, int]) -> tuple[str, ...]:
    """Return the words that give `user` its id, or a free one where `ids` has it for another."""
    if user.id not in ids.values():
        return option, str(user.id)
    return ("--system",) if user.id < _FIRST_PERSON else ()


def _taken(users: Iterable[User], found: AccountsState) -> Iterable[str]:
    for kind, ids in (("user", found.users), ("group", found.groups)):
        owners = {number: name for name, number in ids.items()}
        for user in users:
            owner = owners.get(user.id, user.name)
            is_wanted = user.name not in ids and not (kind == "user" and user.is_group_only)
            if is_wanted and user.id >= _FIRST_FIXED and owner != user.name:
                yield f"the id {user.id} of {user.name} is the {kind} {owner}'s on this machine"
