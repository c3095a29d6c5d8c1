"""The verbs `user`, `alias` and `admin` of `postolka-instance`."""
# ruff: noqa: T201 - the command speaks

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from postolka.instance.paths import Paths

if TYPE_CHECKING:
    import argparse

    from postolka.instance.accounts import Accounts

_QUOTA_MIB = 1024


def configure(
    user: argparse.ArgumentParser, alias: argparse.ArgumentParser, admin: argparse.ArgumentParser
) -> None:
    """Declare the arguments of all."""
    actions = user.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = actions.add_parser("add", help="make a mailbox, and say what to type into a mail client")
    add.add_argument("--quota", type=int, default=_QUOTA_MIB, metavar="MIB", help="0: no limit")
    add.add_argument("--name", default="", help="the owner's, as PostfixAdmin shows it")
    passwd = actions.add_parser("passwd", help="change a password, and end its sessions")
    own = admin.add_subparsers(dest="action", metavar="ACTION", required=True).add_parser(
        "passwd", help="change it, whatever it was, at PostfixAdmin as well"
    )
    for parser in (add, passwd, own):
        parser.add_argument(
            "--stdin", action="store_true", help="read the password; else a new one is made"
        )
    off = actions.add_parser("disable", help="refuse its logins and mail; what is there stays")
    on = actions.add_parser("enable", help="undo that")
    gone = actions.add_parser("del", help="delete a mailbox; its mail is kept aside for some time")
    for parser in (add, passwd, off, on, gone):
        parser.add_argument("address", metavar="ADDRESS")
    actions.add_parser("tidy", help="set aside the mail of what was deleted in PostfixAdmin")
    lists = [actions.add_parser("list", help="all mailboxes, with what they hold and may")]
    actions = alias.add_subparsers(dest="action", metavar="ACTION", required=True)
    lead = actions.add_parser("add", help="have an address lead to others, here or elsewhere")
    lead.add_argument("address", metavar="ADDRESS")
    lead.add_argument("targets", metavar="TARGET", nargs="+")
    end = actions.add_parser("del", help="take targets from an alias, or the alias itself")
    end.add_argument("address", metavar="ADDRESS")
    end.add_argument("targets", metavar="TARGET", nargs="*")
    lists.append(actions.add_parser("list", help="all aliases, and where they lead"))
    for parser in (*lists, add, passwd):
        parser.add_argument("--json", action="store_true", help="the same for a script")


def user(arguments: argparse.Namespace) -> int:
    """Do what `user` is told."""
    from postolka.instance.accounts import Accounts  # noqa: PLC0415 - a verb loads what it needs

    found = Accounts(Paths())
    if arguments.action == "list":
        _list(found.mailboxes(), as_json=arguments.json)
    elif arguments.action == "tidy":
        for path in found.homes.set_aside_ownerless():
            print(f"no mailbox's: its mail is in {path}")
    elif arguments.action in ("add", "passwd"):
        _with_password(found, arguments)
    elif arguments.action == "del":
        aside = found.remove(arguments.address)
        print(f"{arguments.address}: deleted" + (f"; its mail is in {aside}" if aside else ""))
        for address in found.leading_to(arguments.address):
            print(f"  {address} still leads there: postolka-instance alias del {address}")
    else:
        found.set_active(arguments.address, active=arguments.action == "enable")
        print(f"{arguments.address}: {arguments.action}d")
    return 0


def _with_password(found: Accounts, arguments: argparse.Namespace) -> None:
    from postolka.instance.clients import services  # noqa: PLC0415
    from postolka.instance.house import load_house  # noqa: PLC0415
    from postolka.instance.passwords import hashed  # noqa: PLC0415

    address, password = arguments.address, _password(arguments)
    if arguments.action == "add":
        aside = found.add(address, hashed(password), quota_mib=arguments.quota, name=arguments.name)
        if aside:
            print(f"{address}: mail that was there before is in {aside}", file=sys.stderr)
    else:
        found.set_password(address, hashed(password))
    told = {"address": address, "password": password, "server": found.hostname}
    ports = services(load_house(Paths()))
    if arguments.json:
        print(json.dumps({**told, "ports": ports}, indent=2))
        return
    print(f"{address}: {'made' if arguments.action == 'add' else 'changed'}")
    for label, value in {"user": address, "password": password, "server": found.hostname}.items():
        if label != "password" or not arguments.stdin:
            print(f"  {label:11} {value}")
    for port in ports:
        print(f"  {port['protocol']:11} port {port['port']}, {port['security']}")


def _password(arguments: argparse.Namespace) -> str:
    """Return the password that is given on standard input, or a new one."""
    from postolka.instance.passwords import new_password  # noqa: PLC0415

    return sys.stdin.readline().rstrip("\n") if arguments.stdin else new_password()


def admin(arguments: argparse.Namespace) -> int:
    """Do what `admin` is told."""
    from postolka.instance.accounts import Accounts  # noqa: PLC0415
    from postolka.instance.passwords import hashed  # noqa: PLC0415

    found, password = Accounts(Paths()), _password(arguments)
    has_mailbox = found.set_admin_password(hashed(password))
    places = "PostfixAdmin and the mailbox" if has_mailbox else "PostfixAdmin"
    print(f"{found.instance.admin.address}: changed, for {places}")
    if not arguments.stdin:
        print(f"  password    {password}")
    return 0


def alias(arguments: argparse.Namespace) -> int:
    """Do what `alias` is told."""
    from postolka.instance.accounts import Accounts  # noqa: PLC0415

    found = Accounts(Paths())
    if arguments.action == "list":
        _list(found.aliases(), as_json=arguments.json)
    elif arguments.action == "add":
        print(found.add_targets(arguments.address, arguments.targets))
    else:
        left = found.remove_targets(arguments.address, arguments.targets)
        print(left or f"{arguments.address}: deleted")
    return 0


def _list(items: list[Any], *, as_json: bool) -> None:
    data = json.dumps([asdict(item) for item in items], indent=2, ensure_ascii=False)
    print(data if as_json else "\n".join(map(str, items)) or "nothing")
