"""Have the lab's Pyzor and Razor know a mail as spam, as if others had reported it.

Their clients compute the signatures: Debian's own, in the lab's root, among the strangers.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from postolka import namespace
from postolka.errors import PostolkaError
from postolka.lab import nameserver, query, razor, root, world
from postolka.run import run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from postolka.lab.client import Lab

_INSIDE = nameserver.DIRECTORY
#: SpamAssassin's pyzor_count_min is 5.
_PYZOR_REPORTS = 10
#: `1.0 e4: SIGNATURE, ep4: 7542-10`, `1.1 e8: SIGNATURE`.
_SIGNATURE = re.compile(rb"^[\d.]+ e([48]): ([\w-]+)", re.MULTILINE)
_SECONDS = 60


def report(
    lab: Lab,
    message: bytes,
    *,
    to: Sequence[str] = ("pyzor", "razor"),
    progress: Callable[[str], None] = lambda _: None,
) -> None:
    """Report `message` as spam. Raises PostolkaError where it can't be done.

    Both look at the body only, and know nothing of one that is very short.
    """
    tellers = {"pyzor": _tell_pyzor, "razor": _tell_razor}
    for name in to:
        if name not in tellers:
            hint = "one of: " + " ".join(tellers)
            raise PostolkaError(name, "takes no reports", hint=hint)
        tellers[name](lab, message, progress)


def call(
    lab: Lab, argv: Sequence[str], stdin: bytes, progress: Callable[[str], None] = lambda _: None
) -> bytes:
    """Run a program of the lab's root among the strangers, with /lab as its home."""
    with tempfile.TemporaryDirectory(prefix="postolka-lab-") as name:
        directory = Path(name)
        (directory / "resolv.conf").write_text(query.resolv_conf(), encoding="ascii")
        (directory / "home").mkdir()
        inner = root.realise(progress).argv(
            ["env", f"HOME={_INSIDE}", *argv],
            binds={"/etc/resolv.conf": directory / "resolv.conf"},
            writes={_INSIDE: directory / "home"},
            network=True,
        )
        whole = [*namespace.argv(lab.strangers), *inner]
        return run(whole, stdin=stdin, timeout_seconds=_SECONDS)


def _tell_pyzor(lab: Lab, message: bytes, progress: Callable[[str], None]) -> None:
    mail = message.replace(b"\r\n", b"\n").replace(b"\nFrom ", b"\n>From ")
    mbox = b"".join(b"From lab\n" + mail.rstrip(b"\n") + b"\n\n" for _ in range(_PYZOR_REPORTS))
    call(lab, ["pyzor", "--style", "mbox", "report"], mbox, progress)


def _tell_razor(lab: Lab, message: bytes, progress: Callable[[str], None]) -> None:
    # Its exit status says "no spam", and means nothing here.
    argv = ["sh", "-c", f"razor-check -H -home {_INSIDE} || test $? = 1"]
    printed = call(lab, argv, message, progress)
    found = _SIGNATURE.findall(printed)
    if not found:
        raise PostolkaError("razor", "finds nothing in this mail that it could know again")
    with (
        namespace.connect(lab.strangers, world.RAZOR.ipv4, razor.PORT) as connection,
        connection.makefile("rwb") as stream,
    ):
        stream.readline()
        for engine, signature in found:
            stream.write(b"a=r&e=%s&s=%s\r\n" % (engine, signature))
            stream.flush()
            if stream.readline() != b"res=1\r\n":
                raise PostolkaError("razor", "did not take a report")
