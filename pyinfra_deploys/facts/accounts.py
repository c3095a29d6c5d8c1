"""Which users and groups a machine has."""

from __future__ import annotations

from dataclasses import dataclass, field

from pyinfra.api.facts import FactBase


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountsState:
    """Ids by name."""

    users: dict[str, int] = field(default_factory=dict)
    groups: dict[str, int] = field(default_factory=dict)
    members: frozenset[tuple[str, str]] = frozenset()
    """(group, user) of every supplementary membership."""


class Accounts(FactBase[AccountsState]):
    """The AccountsState of a machine."""

    default = AccountsState

    def command(self) -> str:
        """Read the files: what a directory service adds isn't this machine's own."""
        return "sed 's/^/passwd:/' /etc/passwd; sed 's/^/group:/' /etc/group"

    def process(self, output: list[str]) -> AccountsState:
        """Return what the two files say; lines that aren't entries (NIS, comments) are skipped."""
        users: dict[str, int] = {}
        groups: dict[str, int] = {}
        members: set[tuple[str, str]] = set()
        for line in output:
            kind, name, *words = line.split(":")
            if len(words) < 2 or not words[1].isdecimal():  # noqa: PLR2004 - password and id
                continue
            (users if kind == "passwd" else groups)[name] = int(words[1])
            if kind == "group":
                members.update((name, user) for user in words[-1].split(",") if user)
        return AccountsState(users=users, groups=groups, members=frozenset(members))
