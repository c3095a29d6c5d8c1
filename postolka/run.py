"""Run a tool: an argument list, an environment made from nothing, and an error that tells all.

Contract: no shell, no inherited environment, standard output returned, standard error kept for the
error text. The caller's secrets and locale can't reach a build.
"""

from __future__ import annotations

import contextlib
import shlex
import subprocess
from typing import TYPE_CHECKING

from postolka import clock
from postolka.errors import PostolkaError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

#: The whole environment of every tool, unless `environment` adds to it.
ENVIRONMENT: Mapping[str, str] = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/nonexistent",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    # mount(8) since util-linux 2.39, as on Debian 13, hands an option over by fsconfig(2), which
    # takes 255 bytes, and an overlay's layers are longer; mount(2) takes a page.
    # https://github.com/util-linux/util-linux/issues/2287
    "LIBMOUNT_FORCE_MOUNT2": "always",
}
_TAIL_LINES = 20


class CommandError(PostolkaError):
    """A tool ended with a non-zero status; carries its last lines and the whole log's path."""

    def __init__(self, argv: Sequence[str], status: int, output: str, log: Path | None) -> None:
        tail = "\n".join(f"  | {line}" for line in output.splitlines()[-_TAIL_LINES:])
        problem = f"exit status {status}: {shlex.join(argv)}" + (f"\n{tail}" if tail else "")
        hint = f"the whole log is in {log}" if log else None
        super().__init__(argv[0], problem, hint=hint)
        self.status = status
        self.output = output


def run(  # noqa: PLR0913 - each keyword is one property of a process
    argv: Sequence[str],
    *,
    stdin: bytes | None = None,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    log: Path | None = None,
    timeout_seconds: float | None = None,
) -> bytes:
    """Run `argv` and return its standard output.

    With `log`, standard output and error both go to that file (appended) and b"" is returned.

    Raises CommandError for a non-zero status, and PostolkaError where the tool isn't there or
    doesn't end in `timeout_seconds`.
    """
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(log.open("ab")) if log else subprocess.PIPE
        try:
            done = subprocess.run(
                argv,
                input=stdin if stdin is not None else b"",
                stdout=sink,
                stderr=subprocess.STDOUT if log else subprocess.PIPE,
                check=False,
                env={**ENVIRONMENT, **clock.variables(), **(environment or {})},
                cwd=cwd,
                timeout=timeout_seconds,
            )
        except FileNotFoundError as error:
            raise PostolkaError(argv[0], "not found on this machine", hint="make setup") from error
        except subprocess.TimeoutExpired as error:
            raise PostolkaError(argv[0], f"no answer within {timeout_seconds} s") from error
    if done.returncode:
        output = log.read_bytes() if log else done.stderr
        raise CommandError(argv, done.returncode, output.decode(errors="replace"), log)
    return done.stdout or b""
