"""An image's second build, from nothing, as if on another machine: for `postolka build --check`.

It has the locked .debs, and nothing else, from the first. Everything that a build could take from
its surroundings is another: directories of the checkout and the store, host name, umask, time
zone, locale, environment, number of processors, clock.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from postolka import build, clock, derivation, generation, home, workdir
from postolka.errors import PostolkaError
from postolka.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from postolka.build import Built
    from postolka.workdir import Workdir

HOSTNAME = "elsewhere.example.test"
UMASK = "077"
#: Of the caller's environment; neither locale nor home are there.
ENVIRONMENT: Mapping[str, str] = {
    "PATH": "/bin:/usr/bin:/sbin:/usr/sbin",
    "HOME": "/nonexistent/somebody",
    "USER": "somebody",
    "LOGNAME": "somebody",
    "SHELL": "/bin/false",
    "TERM": "dumb",
    "TZ": "Asia/Kathmandu",
    "LANG": "tr_TR.ISO-8859-9",
    "LC_ALL": "POSIX",
    "SOURCE_DATE_EPOCH": "1",
    "TAR_OPTIONS": "--owner=somebody",
    "PERL_HASH_SEED": "1",
    "PYTHONHASHSEED": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}
#: As another machine: $1 is its name, $2 its umask, $3 its processor, the rest is the command.
_ENTER = """
echo "$1" >/proc/sys/kernel/hostname
umask "$2"
processor=$3
shift 3
exec taskset --cpu-list "$processor" "$@"
"""
_PROGRESS = re.compile(r"\[ *[0-9.]+ s\] (.*)")
_PATIENCE_SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Second:
    """A second build: the directory of everything that belongs to it, and what was made."""

    work: Workdir
    built: Built
    disk: Path
    """Its disk in the format that was asked for."""


def circumstances() -> dict[str, str]:
    """Return what is another one for the second build, each with its value."""
    return {
        "hostname": HOSTNAME,
        "umask": UMASK,
        "time zone": ENVIRONMENT["TZ"],
        "locale": ENVIRONMENT["LC_ALL"],
        "environment": " ".join(sorted(ENVIRONMENT)),
        "processors": "1",
        "clock": clock.AHEAD,
    }


@contextlib.contextmanager
def second(
    checkout: Path,
    first: Built,
    format_name: str,
    progress: Callable[[str], None],
    profile: str = "",
) -> Iterator[Second]:
    """Build `first`, an image of the profile, again, and yield it.

    Its directory goes at the end unless it is to be kept.

    Raises PostolkaError for whatever keeps that build from its end, and where there is no library
    to give it another clock.
    """
    if os.geteuid():
        raise PostolkaError("build --check", "only root can build", hint="sudo postolka build …")
    if not clock.LIBRARY.exists():
        problem = f"the package {clock.PACKAGE} is missing, which gives a build another clock"
        raise PostolkaError("build --check", problem, hint=f"apt-get install {clock.PACKAGE}")
    # Not in /tmp, which may be memory.
    parent = Path(os.environ.get("TMPDIR") or "/var/tmp").resolve()  # noqa: S108
    with workdir.new("postolka-check-", parent) as work:
        copy(checkout, work.path / "checkout")
        shutil.copy2(_lock(checkout, first, profile), work.path / "checkout" / derivation.LOCK)
        (work.path / "home").mkdir()
        (work.path / "home/debs").symlink_to(home.debs().resolve())
        options = ["--format", format_name, *(["--profile", profile] if profile else [])]
        answer = json.loads(_run(work.path, options, progress))
        built = build.load(Path(answer["path"]))
        yield Second(work=work, built=built, disk=Path(answer["disk"]))


def copy(checkout: Path, directory: Path) -> None:
    """Copy all that an image is made of but the lock into `directory`, which is made."""
    directory.mkdir()
    left_out = shutil.ignore_patterns("__pycache__")
    for name in derivation.INPUTS:
        shutil.copytree(checkout / name, directory / name, symlinks=True, ignore=left_out)


def _lock(checkout: Path, built: Built, profile: str) -> Path:
    """Return the lock by which the checkout was built."""
    store = Store(home.store())
    for lock in derivation.locks(checkout, temporary=True):
        key = derivation.fast_key(checkout, lock, profile)
        if store.recall(key, generation.NAMES["disk"]) == built.path:
            return lock
    problem = "the checkout has changed while it was built"
    raise PostolkaError(str(checkout), problem, hint="postolka build --check")


def _run(directory: Path, options: list[str], progress: Callable[[str], None]) -> str:
    """Run `postolka build` in that directory's checkout and home; return what it answers."""
    processor = str(min(os.sched_getaffinity(0)))
    command = ["setpriv", "--pdeathsig", "KILL", "--", "unshare", "--uts", "--"]
    command += ["sh", "-euc", _ENTER, "sh", HOSTNAME, UMASK, processor]
    command += [sys.executable, "-P", "-m", "postolka", "build", "--json", *options]
    environment = {
        **home.variables(),
        **ENVIRONMENT,
        "PYTHONPATH": str(directory / "checkout"),
        "POSTOLKA_HOME": str(directory / "home"),
        clock.VARIABLE: str(clock.LIBRARY),
    }
    with (
        (directory / "answer").open("w+b") as answer,
        subprocess.Popen(
            command, stdout=answer, stderr=subprocess.PIPE, env=environment, cwd="/", text=True
        ) as process,
    ):
        assert process.stderr  # noqa: S101 - as asked for
        try:
            said = []
            for line in process.stderr:
                step = _PROGRESS.match(line)
                if step:
                    progress(f"second build: {step[1]}")
                else:
                    said.append(line)
        except BaseException:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_PATIENCE_SECONDS)
            process.kill()
            raise
        if process.wait():
            problem = f"failed: {''.join(said).strip().removeprefix('postolka: ')}"
            raise PostolkaError("the second build", problem)
        answer.seek(0)
        return answer.read().decode()
