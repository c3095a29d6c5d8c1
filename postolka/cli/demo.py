"""`postolka demo`: a server that stays up for a first look, after a first exchange of mail."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from postolka.cli.machine import say

if TYPE_CHECKING:
    import argparse

    from postolka.acceptance import Subject
    from postolka.machines import Machine

_NAME = "demo"
_LAB = "demo-lab"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("image", nargs="?", metavar="PATH", help="store path; default: built")
    parser.add_argument(
        "--container", action="store_true", help="boot its root only, without its kernel"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("demo"),
        metavar="DIR",
        help="the instance's files",
    )


def run(arguments: argparse.Namespace) -> int:
    """Boot, exchange mail, tell how to use the server."""
    # Their libraries cost 0.5 s.
    from postolka import acceptance, build, example, machines  # noqa: PLC0415

    kind: machines.Kind = "container" if arguments.container else "vm"
    if arguments.image:
        image = build.load(Path(arguments.image))
    else:
        image = build.realise(want="root" if arguments.container else "disk", progress=say)
    if not (arguments.output / "user-data").exists():
        example.new_instance(arguments.output)
    if any(machine.name == _NAME for machine in machines.running()):
        say(f"stopping the {_NAME} that still runs")
        machines.stop(_NAME)
    request = example.Request(
        image=image,
        kind=kind,
        directory=arguments.output,
        name=_NAME,
        memory_mib=1024,
        lab=_LAB,
    )
    with example.running(request, say, leave_running=True) as (machine, lab):
        subject = acceptance.subject(machine, lab, arguments.output)
        _exchange(subject)
        _tell(machine, subject)
    return 0


def _exchange(subject: Subject) -> None:
    from postolka import acceptance  # noqa: PLC0415

    say("a mail from outside, as it stands in the inbox:")
    _show(acceptance.receive(subject))
    inside, outside = acceptance.send(subject)
    say("a mail submitted with a login, as it stands in the other inbox:")
    _show(inside)
    for signature in acceptance.signatures(subject.lab, outside):
        verdict = "good" if signature.is_valid else "BAD"
        say(f"DKIM outside: {verdict} {signature.algorithm} by {signature.domain}")


def _show(message: bytes) -> None:
    for line in message.decode("utf-8", errors="replace").splitlines()[:40]:
        say(f"  | {line}")


def _tell(machine: Machine, subject: Subject) -> None:
    print(f"A mail client reaches {subject.server.name} at {machine.host}:")
    for port, what in (
        (993, "IMAP, SSL/TLS"),
        (143, "IMAP, STARTTLS"),
        (465, "SMTP, SSL/TLS"),
        (587, "SMTP, STARTTLS"),
        (4190, "Sieve, STARTTLS"),
    ):
        if port in machine.ports:
            print(f"  {what:15} port {machine.ports[port]}")
    for login in (subject.first, subject.second):
        print(f"  user {login.address}, password {login.password}")
    print("The certificate is self-signed: the client will ask whether to trust it.")
    print(f"log in:  sudo .venv/bin/postolka {machine.kind} ssh {machine.name}")
    print(f"stop it: sudo .venv/bin/postolka {machine.kind} stop {machine.name}")
