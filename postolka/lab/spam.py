"""Have the lab's Pyzor and Razor know a mail as spam, as if others had reported it.

Their clients compute the signatures: Debian's own, in the lab's root, among the strangers.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from postolka import namespace
from postolka.errors import PostolkaError
from postolka.lab import programs, razor, world

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from postolka.lab.client import Lab

#: SpamAssassin's pyzor_count_min is 5.
_PYZOR_REPORTS = 10
#: `1.0 e4: SIGNATURE, ep4: 7542-10`, `1.1 e8: SIGNATURE`.
_SIGNATURE = re.compile(rb"^[\d.]+ e([48]): ([\w-]+)", re.MULTILINE)


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


def _tell_pyzor(lab: Lab, message: bytes, progress: Callable[[str], None]) -> None:
    mail = message.replace(b"\r\n", b"\n").replace(b"\nFrom ", b"\n>From ")
    mbox = b"".join(b"From lab\n" + mail.rstrip(b"\n") + b"\n\n" for _ in range(_PYZOR_REPORTS))
    programs.call(lab, ["pyzor", "--style", "mbox", "report"], mbox, progress=progress)


def _tell_razor(lab: Lab, message: bytes, progress: Callable[[str], None]) -> None:
    # Its exit status says "no spam", and means nothing here.
    argv = ["sh", "-c", f"razor-check -H -home {programs.HOME} || test $? = 1"]
    printed = programs.call(lab, argv, message, progress=progress)
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
