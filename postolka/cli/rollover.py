"""`postolka instance rotate-tls`: the next TLS key takes the place of the present one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from postolka import files
from postolka.cli import domain
from postolka.errors import PostolkaError

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "file", metavar="FILE", type=Path, help="user-data, or the YAML alone; zone beside it"
    )
    parser.add_argument(
        "--force", action="store_true", help="whatever TLSA records are live, and ask nobody"
    )
    domain.configure(parser)


def run(arguments: argparse.Namespace) -> Path:
    """Write the data with the next key in use, and the zone beside them; return their file."""
    from postolka import identity, listening, rollover  # noqa: PLC0415 - libraries: 0.3 s
    from postolka.instance import dns, editing  # noqa: PLC0415
    from postolka.instance.parse import parse  # noqa: PLC0415

    file: Path = arguments.file
    data = files.read(file)
    instance = parse(data, where=str(file))
    ports = listening.ports(has_mailboxes=instance.has_mailboxes)
    ask = None if arguments.force else domain.resolver(arguments)
    late = rollover.unpublished(instance, ports, ask) if ask else []
    if late:
        problem = f"{', '.join(late)}: the live TLSA records don't have the next key"
        hint = f"publish those of postolka dns zone {file}, and wait until their TTL is over"
        raise PostolkaError(str(file), problem, hint=hint)
    rolled = rollover.roll_over(data, where=str(file), serial=editing.new_serial())
    live = domain.of_instance(arguments, rolled.instance, ask)
    zone = dns.zone(rolled.instance, ports, live)
    # The data first: stopped in between, `postolka dns zone` has the records.
    identity.replace_file(file, rolled.data, mode=0o600)
    identity.replace_file(file.with_name("zone"), zone.encode("ascii"), mode=0o644)
    for line in rolled.done:
        _say(line)
    _say("next: postolka-instance apply on the server; only then publish the records in zone")
    return file


def _say(text: str) -> None:
    print(text, file=sys.stderr)
