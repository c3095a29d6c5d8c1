"""Whether the database answers: who has a mailbox, and which password."""

from __future__ import annotations

from typing import TYPE_CHECKING

from postolka.errors import PostolkaError, Problem
from postolka.instance.checks.check import Check, Figure
from postolka.instance.sql import Server

if TYPE_CHECKING:
    from postolka.instance.model import Instance
    from postolka.instance.paths import Paths

_SECONDS = 5
#: PostfixAdmin may have a row for all domains among them.
_QUESTION = (
    "SELECT (SELECT COUNT(*) FROM domain WHERE domain <> 'ALL'), (SELECT COUNT(*) FROM mailbox);"
)


def check(paths: Paths, instance: Instance) -> Check:
    """Ask it a question that needs its tables."""
    elsewhere = instance.database_elsewhere
    where = elsewhere.host if elsewhere else "this machine's"
    try:
        said = Server(paths, instance).run(
            f"USE postfixadmin; {_QUESTION}", timeout_seconds=_SECONDS
        )
        domains, mailboxes = map(int, said.split())
    except PostolkaError as error:
        problem = Problem("database", f"{error.problem}; mail is put off, and nobody can log in")
        up = Figure(name="database_up", value=0)
        return Check(name="database", text=where, problems=(problem,), figures=(up,))
    return Check(
        name="database",
        text=f"{where}, domains: {domains}, mailboxes: {mailboxes}",
        figures=(
            Figure(name="database_up", value=1),
            Figure(name="mailboxes", value=mailboxes),
            Figure(name="domains", value=domains),
        ),
    )
