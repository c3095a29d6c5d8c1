"""Mailboxes and aliases, as an operator makes, changes and deletes them on the machine.

They are rows of PostfixAdmin's tables, written as it writes them, with a line in its log; either
sees what the other did.
"""
# ruff: noqa: S608 - each value in a statement is a hexadecimal literal

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from postolka.errors import PostolkaError
from postolka.instance import grammar, sql
from postolka.instance.homes import Homes
from postolka.instance.parse import parse
from postolka.instance.sql import BYTES_IN_MIB, Server, literal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from postolka.instance.model import Instance
    from postolka.instance.paths import Paths


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """A mailbox as the database has it."""

    address: str
    name: str
    quota_mib: int
    """Its limit; 0: none."""
    used_mib: int
    active: bool

    def __str__(self) -> str:
        limit = f" of {self.quota_mib}" if self.quota_mib else ""
        state = "" if self.active else "  disabled"
        return f"{self.address}  {self.used_mib}{limit} MiB{state}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """An address that leads to others. A mailbox's own leads to itself."""

    address: str
    targets: tuple[str, ...]
    active: bool = True

    def __str__(self) -> str:
        state = "" if self.active else "  disabled"
        return f"{self.address}  {', '.join(self.targets)}{state}"


class Accounts:
    """Mailboxes and aliases of one machine. A method that raises PostolkaError changed nothing."""

    def __init__(self, paths: Paths, server: Server | None = None) -> None:
        try:
            data = paths.kept.read_bytes()
        except FileNotFoundError as error:
            raise PostolkaError("instance data", "there are none yet") from error
        except PermissionError as error:
            hint = "sudo postolka-instance"
            raise PostolkaError("accounts", "only root may change them", hint=hint) from error
        self.instance: Instance = parse(data, where=str(paths.kept))
        self.server = server or Server(paths, self.instance)
        self.homes = Homes(paths, self.server)

    @property
    def hostname(self) -> str:
        """The name by which clients reach the server."""
        return self.instance.hostname

    def domains(self) -> dict[str, bool]:
        """Return the domains that have mailboxes here, and whether they take mail."""
        return self.server.domains()

    def mailboxes(self, address: str | None = None) -> list[Mailbox]:
        """Return all mailboxes, or that of an address if it has one, by address."""
        where = f"WHERE mailbox.username = {literal(address)}" if address else ""
        rows = self._rows(
            "SELECT mailbox.username, mailbox.name, GREATEST(mailbox.quota, 0),"
            " COALESCE(quota2.bytes, 0), mailbox.active FROM mailbox"
            f" LEFT JOIN quota2 ON quota2.username = mailbox.username {where}"
        )
        return [
            Mailbox(
                address=username,
                name=name,
                quota_mib=int(quota) // BYTES_IN_MIB,
                used_mib=int(used) // BYTES_IN_MIB,
                active=active == "1",
            )
            for username, name, quota, used, active in rows
        ]

    def aliases(self, address: str | None = None) -> list[Alias]:
        """Return all aliases but those of a mailbox to itself, or that of an address if any."""
        where = f"WHERE address = {literal(address)}" if address else "WHERE address <> goto"
        return [
            Alias(address=name, targets=tuple(goto.split(",")), active=active == "1")
            for name, goto, active in self._rows(f"SELECT address, goto, active FROM alias {where}")
        ]

    def add(
        self, address: str, password_hash: str, *, quota_mib: int, name: str = ""
    ) -> Path | None:
        """Make a mailbox. Return where mail lies aside that somebody of this address had before."""
        self._check_hosted(address)
        if self.mailboxes(address):
            raise PostolkaError(address, "is a mailbox already")
        if found := self.aliases(address):
            raise PostolkaError(address, f"is an alias of {', '.join(found[0].targets)} already")
        if quota_mib < 0:
            raise PostolkaError("quota", "is below 0 MiB")
        if not name.isprintable():
            raise PostolkaError("name", "has a character that can't be printed")
        # First: nothing is delivered to what isn't there yet.
        aside = self.homes.set_aside(self.homes.default(address))
        rows = sql.mailbox(address, password_hash, quota_mib=quota_mib, name=name)
        self._change("create_mailbox", address, *map(sql.insert, rows))
        return aside

    def set_password(self, address: str, password_hash: str) -> None:
        """Change a password, and end the sessions that began with the old one."""
        self._check_mailbox(address)
        change = f"password = {literal(password_hash)}, modified = NOW()"
        self._change("edit_password", address, _update("mailbox", "username", address, change))
        self._end_sessions(address)

    def set_admin_password(self, password_hash: str) -> bool:
        """Change the password of PostfixAdmin's superadmin, who comes back where he was deleted.

        And that of the mailbox of the same address; return whether there is one.
        """
        name = self.instance.admin.address
        values = {"username": name, "password": password_hash, "superadmin": "1", "active": "1"}
        names = ", ".join(f"{item} = VALUES({item})" for item in (*values, "modified"))
        row = sql.insert(("admin", values)).removesuffix(";")
        own = literal(name)
        self._change(
            "edit_admin",
            name,
            f"{row} ON DUPLICATE KEY UPDATE {names};",
            f"DELETE FROM domain_admins WHERE username = {own} AND domain = 'ALL';",
            sql.insert(("domain_admins", {"username": name, "domain": "ALL"}), dates=("created",)),
        )
        has_mailbox = bool(self.mailboxes(name))
        if has_mailbox:
            self.set_password(name, password_hash)
        return has_mailbox

    def set_active(self, address: str, *, active: bool) -> None:
        """Let a mailbox take mail and logins, or refuse both; what is in it stays."""
        self._check_mailbox(address)
        change = f"active = {int(active)}, modified = NOW()"
        self._change(
            "edit_mailbox_state",
            address,
            _update("mailbox", "username", address, change),
            _update("alias", "address", address, change),
        )
        if not active:
            self._end_sessions(address)

    def remove(self, address: str) -> Path | None:
        """Delete a mailbox. Return where its mail lies aside, if it had any."""
        self._check_mailbox(address)
        if address == self.instance.admin.address:
            raise PostolkaError(address, "is the admin's, who gets this server's own mail")
        home = self.homes.of(address)
        tables = (("mailbox", "username"), ("alias", "address"), ("quota2", "username"))
        own = literal(address)
        self._change(
            "delete_mailbox",
            address,
            *(f"DELETE FROM `{table}` WHERE {column} = {own};" for table, column in tables),
        )
        self._end_sessions(address)
        return self.homes.set_aside(home)

    def leading_to(self, address: str) -> list[str]:
        """Return the other addresses that lead to an address."""
        return [
            alias.address
            for alias in self.aliases()
            if address in alias.targets and alias.address != address
        ]

    def add_targets(self, address: str, targets: Sequence[str]) -> Alias:
        """Have an address lead to more targets: a new alias, an old one, or a mailbox's copies."""
        self._check_hosted(address)
        for target in targets:
            if problem := grammar.mail_target(target):
                raise PostolkaError(target, problem)
        found = self.aliases(address)
        old = found[0].targets if found else ()
        new = Alias(address=address, targets=tuple(dict.fromkeys((*old, *targets))))
        if found:
            self._lead(new)
        else:
            row = sql.alias(address, new.targets)
            self._change("create_alias", address, sql.insert(row))
        return new

    def remove_targets(self, address: str, targets: Sequence[str]) -> Alias | None:
        """Take targets from an alias; none named, or all: the alias itself. Return what is left."""
        found = self.aliases(address)
        if not found:
            raise PostolkaError(address, "is not an alias")
        old = found[0].targets
        if unknown := sorted(set(targets) - set(old)):
            raise PostolkaError(address, f"doesn't lead to {', '.join(unknown)}")
        left = tuple(target for target in old if targets and target not in targets)
        if left:
            self._lead(new := Alias(address=address, targets=left))
            return new
        if self.mailboxes(address):
            raise PostolkaError(address, "is a mailbox, and would lead nowhere")
        self._change(
            "delete_alias", address, f"DELETE FROM alias WHERE address = {literal(address)};"
        )
        return None

    def _lead(self, alias: Alias) -> None:
        change = f"goto = {literal(','.join(alias.targets))}, modified = NOW()"
        self._change(
            "edit_alias", alias.address, _update("alias", "address", alias.address, change)
        )

    def _check_hosted(self, address: str) -> None:
        if problem := grammar.mailbox(address):
            raise PostolkaError(address, problem)
        domains = self.domains()
        domain = address.rpartition("@")[2]
        if domain not in domains:
            here = ", ".join(domains) or "none"
            raise PostolkaError(address, f"{domain} isn't a domain of this server ({here})")

    def _check_mailbox(self, address: str) -> None:
        if not self.mailboxes(address):
            raise PostolkaError(address, "is not a mailbox")

    def _rows(self, query: str) -> list[list[str]]:
        answer = self.server.run(f"USE postfixadmin;\n{query} ORDER BY 1;\n")
        return [line.split("\t") for line in answer.splitlines()]

    def _change(self, action: str, address: str, *statements: str) -> None:
        log = sql.logged(action, address.rpartition("@")[2], address)
        self.server.run(sql.transaction(*statements, log))

    def _end_sessions(self, address: str) -> None:
        # It fails where there are none.
        subprocess.run(["doveadm", "kick", address], capture_output=True, check=False)


def _update(table: str, column: str, address: str, change: str) -> str:
    return f"UPDATE `{table}` SET {change} WHERE {column} = {literal(address)};"
