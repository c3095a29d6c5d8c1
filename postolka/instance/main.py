"""`postolka-instance`: the agent's command on the machine.

Exit codes: 0 done or all well, 1 failed or not well, 2 usage.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from postolka.errors import PostolkaError
from postolka.instance import accounts_main, backup_main, bans_main, domains_main
from postolka.instance.paths import Paths

if TYPE_CHECKING:
    from collections.abc import Sequence

#: What the slowest machine, an emulated one on a busy host, needs to start everything.
_START_SECONDS = 900
_POLL_SECONDS = 1.0
#: A daemon that fails at once is restarted by systemd: only what stays failed is reported.
_SETTLE_SECONDS = 10.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the verb in `argv` (default: the process's arguments)."""
    # Daemons read what is made here, whoever makes it: root's own umask is often 077.
    os.umask(0o022)
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except PostolkaError as error:
        print(f"postolka-instance: {error}", file=sys.stderr)  # noqa: T201 - the command speaks
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="postolka-instance", description="This mail server.")
    verbs = parser.add_subparsers(metavar="VERB", required=True)

    def verb(name: str, run: object, summary: str) -> argparse.ArgumentParser:
        child = verbs.add_parser(name, help=summary, description=summary)
        child.set_defaults(run=run)
        return child

    status = verb("status", _status, "say whether the server serves, and everything wrong with it")
    status.add_argument("--json", action="store_true", help="the same for a script")
    trace = verb("trace", _trace, "follow a mail through the logs")
    trace.add_argument("wanted", metavar="ADDRESS|MESSAGE-ID", help="a sender, recipient or mail")
    trace.add_argument(
        "--days", type=int, default=7, help="how far back to look (default: %(default)s)"
    )
    trace.add_argument("--json", action="store_true", help="the same for a script")
    check = verb("check", _check, "validate instance data, and list every problem")
    check.add_argument("file", metavar="FILE", type=Path, help="user-data, or the YAML alone")
    new = verb("apply", _apply, "serve by new instance data from now on")
    new.add_argument(
        "file",
        metavar="FILE",
        type=Path,
        nargs="?",
        help="user-data, or the YAML alone; without: the machine's own, without what has ended",
    )
    new.add_argument(
        "--force", action="store_true", help="whatever their serial: they get the next one"
    )
    certificate = verb("certificate", _certificate, "show the certificate, or order another one")
    certificate.add_argument(
        "action",
        metavar="renew|next",
        nargs="?",
        choices=("renew", "next"),
        help="order another one now, or one for the key that comes next; without: order none",
    )
    certificate.add_argument("--json", action="store_true", help="the same for a script")
    data = verb("data", _data, "write out the machine's data, for the platform and your desk")
    data.add_argument(
        "-o", "--output", metavar="FILE", type=Path, help="only its owner may read it"
    )
    config = verb("config", _config, "show a service's effective configuration, secrets masked")
    config.add_argument("name", metavar="NAME", nargs="?", help="the service; without: their names")
    verb("render", _render, "configure the machine from its data (run at each boot)")
    base = verb(
        "database", _database, "bring accounts, tables and seeds into the database (at boot)"
    )
    base.add_argument(
        "--print", action="store_true", help="show the SQL that prepares a database elsewhere"
    )
    accounts_main.configure(
        verb("user", accounts_main.user, "make, change, list and delete mailboxes"),
        verb("alias", accounts_main.alias, "the same for aliases"),
        verb("admin", accounts_main.admin, "the admin's own password"),
    )
    domains_main.configure(verb("domain", domains_main.domain, "add, list and delete domains"))
    bans_main.configure(
        verb("ban", bans_main.ban, "show and end bans for too many wrong passwords")
    )
    backup_main.configure(
        verb("backup", backup_main.backup, "make a backup now, or list them"),
        verb("restore", backup_main.restore, "bring back the machine, or a mailbox, from a backup"),
    )
    _add_quarantine(verb("quarantine", _quarantine, "show and use what the filter didn't deliver"))
    verb("ready", _ready, "wait for the server, then say on the console what became of it")
    return parser


def _add_quarantine(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="what is there, oldest first")
    listing.add_argument("--json", action="store_true", help="the same for a script")
    release = actions.add_parser("release", help="deliver a mail after all; it stays there, too")
    release.add_argument("id", metavar="ID")
    release.add_argument("recipients", metavar="ADDRESS", nargs="*", help="instead of its own")
    learn = actions.add_parser("learn", help="teach SpamAssassin what a mail is")
    learn.add_argument("id", metavar="ID")
    learn.add_argument("kind", choices=("spam", "ham"))


def _quarantine(arguments: argparse.Namespace) -> int:
    from postolka.instance import quarantine  # noqa: PLC0415

    paths = Paths()
    if arguments.action == "release":
        print(quarantine.release(paths, arguments.id, arguments.recipients))  # noqa: T201
    elif arguments.action == "learn":
        quarantine.learn(paths, arguments.id, arguments.kind)
    else:
        found = quarantine.entries(paths)
        data = json.dumps([entry.as_data() for entry in found], indent=2)
        print(data if arguments.json else "\n".join(map(str, found)) or "nothing")  # noqa: T201
    return 0


def _status(arguments: argparse.Namespace) -> int:
    from postolka.instance import status  # noqa: PLC0415 - a verb loads only what it needs

    found = status.read(Paths(), for_people=True)
    text = json.dumps(found.as_data(), indent=2) if arguments.json else str(found)
    print(text)  # noqa: T201
    return 0 if found.state == "ready" and not found.problems else 1


def _trace(arguments: argparse.Namespace) -> int:
    from postolka.instance import trace  # noqa: PLC0415

    wanted = arguments.wanted.strip("<>")
    found = [mail for mail in trace.mails(trace.read(arguments.days)) if mail.concerns(wanted)]
    if arguments.json:
        print(json.dumps([mail.as_data() for mail in found], indent=2))  # noqa: T201
    else:
        text = f"the logs of {arguments.days} days have nothing about {wanted}"
        print("\n\n".join(map(str, found)) or text)  # noqa: T201
    return 0 if found else 1


def _apply(arguments: argparse.Namespace) -> int:
    from postolka.instance import applying  # noqa: PLC0415
    from postolka.instance.system import Machine  # noqa: PLC0415

    if os.geteuid():
        raise PostolkaError("apply", "only root may", hint="sudo postolka-instance apply FILE")
    file = arguments.file or Paths().kept
    done = applying.apply(
        Paths(), Machine(), _read(file), where=str(file), is_forced=arguments.force
    )
    print(done)  # noqa: T201
    return 0


def _certificate(arguments: argparse.Namespace) -> int:
    from postolka.instance.acme import command  # noqa: PLC0415

    print(command.run(Paths(), arguments.action or "", is_json=arguments.json))  # noqa: T201
    return 0


def _data(arguments: argparse.Namespace) -> int:
    from postolka.instance import files, handing  # noqa: PLC0415

    data, amiss = handing.user_data(Paths())
    if amiss:
        print(f"the YAML document alone: {amiss}", file=sys.stderr)  # noqa: T201
    if arguments.output:
        file = files.File(content=data, uid=os.getuid(), gid=os.getgid())
        files.write(arguments.output, file)
    else:
        sys.stdout.buffer.write(data)
    return 0


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise PostolkaError(str(file), f"can't be read: {error.strerror}") from error


def _check(arguments: argparse.Namespace) -> int:
    from postolka.instance.parse import parse  # noqa: PLC0415

    instance = parse(_read(arguments.file), where=str(arguments.file))
    print(f"{arguments.file}: good, serial {instance.serial}, {instance.hostname}")  # noqa: T201
    return 0


def _config(arguments: argparse.Namespace) -> int:
    from postolka.instance import effective  # noqa: PLC0415

    if arguments.name:
        print(effective.show(Paths(), arguments.name).rstrip("\n"))  # noqa: T201
    else:
        print("\n".join(effective.names(Paths())))  # noqa: T201
    return 0


def _render(_: argparse.Namespace) -> int:
    from postolka.instance import agent  # noqa: PLC0415
    from postolka.instance.system import Machine  # noqa: PLC0415

    report = agent.boot(Paths(), Machine())
    # For the journal; `ready` tells the console.
    print(f"instance data: {report.data}")  # noqa: T201
    for problem in (*report.problems, *report.warnings):
        print(f"  {problem}")  # noqa: T201
    return 0


def _database(arguments: argparse.Namespace) -> int:
    from postolka.instance import database  # noqa: PLC0415

    if arguments.print:
        print(database.preparation(Paths()), end="")  # noqa: T201
    else:
        database.apply(Paths())
    return 0


def _ready(_: argparse.Namespace) -> int:
    from postolka.instance import status  # noqa: PLC0415
    from postolka.instance.system import Machine  # noqa: PLC0415

    end = time.monotonic() + _START_SECONDS
    failed_since = None
    while True:
        found = status.read(Paths())
        now = time.monotonic()
        failed_since = (failed_since or now) if found.state == "failed" else None
        has_settled = failed_since is not None and now - failed_since > _SETTLE_SECONDS
        if found.state in ("ready", "waiting") or has_settled or now > end:
            break
        time.sleep(_POLL_SECONDS)
    words = {"ready": f"ready {found.report.get('hostname')}", "waiting": _WAITING}
    lines = [words.get(found.state, "failed"), *(f"  {item}" for item in found.problems)]
    Machine().say("\n".join(lines))
    return 0 if found.state in words else 1


_WAITING = "waiting for instance data"
