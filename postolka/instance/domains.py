"""Domains, as an operator adds and deletes them on the machine.

A domain is in two places: its keys are in the instance's data; that its mail is taken, and its
mailboxes and aliases, are in PostfixAdmin's tables.
"""
# ruff: noqa: S608 - each value in a statement is a hexadecimal literal

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from postolka.errors import PostolkaError
from postolka.instance import applying, database, dkim, editing, grammar, sql
from postolka.instance.accounts import Accounts
from postolka.instance.editing import Editable
from postolka.instance.model import ROLES
from postolka.instance.parse import parse
from postolka.instance.sql import Server, literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from postolka.instance.model import Instance
    from postolka.instance.paths import Paths
    from postolka.instance.system import System

#: What PostfixAdmin takes away with a domain, by column; a mailbox has more, and goes first.
_ROWS = (
    ("alias", "domain"),
    ("alias_domain", "alias_domain"),
    ("alias_domain", "target_domain"),
    ("domain_admins", "domain"),
    ("domain", "domain"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosted:
    """A domain as data and database have it."""

    name: str
    selectors: tuple[str, ...]
    """Of the keys that sign its mail; none: the data don't know it."""
    takes_mail: bool
    """Whether the database has it, and active."""
    mailboxes: int
    aliases: int
    """Without those of mailboxes to themselves."""

    def __str__(self) -> str:
        signs = f"signed by {', '.join(self.selectors)}" if self.selectors else "no DKIM keys"
        off = "" if self.takes_mail else "  takes no mail"
        return f"{self.name}  {self.mailboxes} mailboxes  {self.aliases} aliases  {signs}{off}"


class Domains:
    """The domains of one machine."""

    def __init__(self, paths: Paths, server: Server | None = None) -> None:
        self._paths = paths
        self._accounts = Accounts(paths, server)
        self._instance = self._accounts.instance
        self._server = self._accounts.server

    def all(self) -> list[Hosted]:
        """Return every domain that the data or the database have, by name."""
        active = self._accounts.domains()
        signed = {domain.name: domain for domain in self._instance.domains}
        boxes = [mailbox.address for mailbox in self._accounts.mailboxes()]
        aliases = [alias.address for alias in self._accounts.aliases()]
        return [
            Hosted(
                name=name,
                selectors=tuple(key.selector for key in signed[name].signing_keys)
                if name in signed
                else (),
                takes_mail=active.get(name, False),
                mailboxes=sum(map(_is_in(name), boxes)),
                aliases=sum(map(_is_in(name), aliases)),
            )
            for name in sorted(active.keys() | signed.keys())
        ]

    def add(self, system: System, name: str, selector: str = "") -> Instance:
        """Make what a domain lacks: its keys, which sign from now on, and its rows.

        Raises PostolkaError, and ProblemsError where a daemon fails with the new data; then all is
        as it was.
        """
        if problem := grammar.dns_name(name):
            raise PostolkaError(name, problem)
        if selector and (problem := grammar.selector(f"{selector}-ed25519")):
            raise PostolkaError("--selector", problem)
        is_new = name not in self._accounts.domains()
        has_keys = name in {domain.name for domain in self._instance.domains}
        if has_keys and not is_new:
            raise PostolkaError(name, "is a domain of this server already, and has its keys")
        if has_keys and selector:
            raise PostolkaError("--selector", f"{name} has its keys already")
        if not has_keys:
            try:
                old = self._data()
                self._apply(system, old, editing.add_domain(old, name, dkim.new_keys(selector)))
            except PostolkaError:
                if is_new:
                    # What the data seed, where it was a daemon that failed with them.
                    self._server.run(sql.transaction(*_erased(name)))
                raise
        instance = parse(self._paths.kept.read_bytes())
        if is_new:
            log = sql.logged("create_domain", name, name)
            rows = database.domain_again(instance, name)
            self._server.run(sql.transaction(*rows, log))
        return instance

    def remove(self, system: System, name: str, *, with_mailboxes: bool) -> list[Path]:
        """Delete a domain, its keys and its rows. Return where mail lies aside.

        Raises PostolkaError, and then nothing is deleted, for one with mailboxes or aliases,
        unless they are to go `with` it.
        """
        known = self._accounts.domains()
        signed = [domain.name for domain in self._instance.domains]
        if name not in (*known, *signed):
            here = ", ".join(sorted({*known, *signed}))
            raise PostolkaError(name, f"isn't a domain of this server ({here})")
        self._check_spare(name)
        boxes = [item.address for item in self._accounts.mailboxes() if _is_in(name)(item.address)]
        used = [*boxes, *self._own_aliases(name)]
        if used and not with_mailboxes:
            hint = "--with-mailboxes deletes them, too; mail in them is kept aside for some time"
            raise PostolkaError(name, f"has {', '.join(used)}", hint=hint)
        if name in signed:
            old = self._data()
            self._apply(system, old, editing.remove_domain(old, name))
        aside = [self._accounts.remove(address) for address in boxes]
        log = sql.logged("delete_domain", name, name)
        self._server.run(sql.transaction(*_erased(name), log))
        return [path for path in (*aside, *self._leftovers(name)) if path]

    def leading_to(self, name: str) -> list[str]:
        """Return the aliases of other domains that lead to addresses of a domain."""
        return [
            alias.address
            for alias in self._accounts.aliases()
            if not _is_in(name)(alias.address) and any(map(_is_in(name), alias.targets))
        ]

    def _check_spare(self, name: str) -> None:
        admin = self._instance.admin.address
        if _is_in(name)(admin):
            raise PostolkaError(name, f"has the admin's address, {admin}")
        if name == self._instance.domain:
            hint = "put another one first, and postolka-instance apply"
            raise PostolkaError(name, "is the data's first domain, the server's own", hint=hint)

    def _own_aliases(self, name: str) -> Iterator[str]:
        """Yield a domain's aliases but the roles that lead to the admin, which each one has."""
        for alias in self._accounts.aliases():
            is_role = alias.address in _role_addresses(name)
            if _is_in(name)(alias.address) and not (
                is_role and alias.targets == (self._instance.admin.address,)
            ):
                yield alias.address

    def _data(self) -> Editable:
        return Editable(self._paths.kept.read_bytes(), where=str(self._paths.kept))

    def _apply(self, system: System, old: Editable, edits: list[editing.Edit]) -> None:
        data = old.changed(edits, serial=editing.new_serial(self._instance.serial))
        applying.apply(self._paths, system, data, where="new data")

    def _leftovers(self, name: str) -> Iterator[Path | None]:
        """Move aside what lies there of mailboxes that were deleted some other way."""
        place = self._paths.mail / name
        if place.is_dir():
            for path in sorted(place.iterdir()):
                yield self._accounts.homes.set_aside(path)
            place.rmdir()


def _is_in(name: str) -> Callable[[str], bool]:
    """Return what says whether an address is in a domain."""
    return lambda address: address.rpartition("@")[2] == name


def _role_addresses(name: str) -> list[str]:
    return [f"{role}@{name}" for role in ROLES]


def _erased(name: str) -> Iterator[str]:
    """Yield the statements that take a domain's rows away."""
    for table, column in _ROWS:
        yield f"DELETE FROM `{table}` WHERE {column} = {literal(name)};"
