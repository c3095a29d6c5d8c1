"""restic, as its own user, whom alone the firewall lets out to the repository.

What root asks for runs as that user, too; where files come back, with the rights to make them
whosever they are. The messages are restic's JSON lines.
https://restic.readthedocs.io/en/v0.18.0/075_scripting.html
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from postolka.errors import PostolkaError
from postolka.instance.checks.check import size

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from postolka.instance.paths import Paths

_USER = "restic"
_CACHE = "/var/cache/postolka-backup"
#: What restic ends with: something couldn't be read; there is no repository; it is locked.
INCOMPLETE, MISSING = 3, 10
#: Another's lock is waited for; one that nobody renews counts as left behind after half an hour.
LOCK = "--retry-lock=15m"
_VANISHED = "no such file or directory"
#: For an answer at all: restic asks an object store that is down for a quarter of an hour.
FIRST_SECONDS = 120
#: Files of whatever owner, anywhere; their SELinux labels come from the machine's own policy.
_TO_RESTORE = "-all,+chown,+dac_override,+dac_read_search,+fowner,+fsetid"
_OWN_LABELS = ("--exclude-xattr", "security.*")
_SHORT = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A backup."""

    id: str
    time: datetime
    bytes: int
    """Of all that it holds."""
    tags: tuple[str, ...]

    @property
    def name(self) -> str:
        """As people name it."""
        return self.id[:_SHORT]

    def __str__(self) -> str:
        return f"{self.name}  {self.time:%Y-%m-%d %H:%M}  {size(self.bytes)}"

    def as_data(self) -> dict[str, Any]:
        """Return plain data, ready for JSON."""
        return {"id": self.id, "time": self.time.isoformat(), "bytes": self.bytes}


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a run of restic came to."""

    status: int
    messages: tuple[dict[str, Any], ...]
    errors: tuple[str, ...]

    @property
    def unread(self) -> tuple[str, ...]:
        """What couldn't be read; what is gone meanwhile, as moved mail is, doesn't count."""
        return tuple(line for line in self.errors if line.startswith("/") and _VANISHED not in line)

    @property
    def problem(self) -> str:
        """What is wrong, in a line."""
        said = [line for line in self.errors if line] or [f"restic ended with {self.status}"]
        return said[-1].removeprefix("Fatal: ").splitlines()[0]


class Repository:
    """The place that the instance's data name."""

    def __init__(self, target: Mapping[str, Any]) -> None:
        self.host: str = target["host"]
        self._ssh: list[str] = target["ssh"]
        command = " ".join(self._ssh)
        self._options = ["-o", f"sftp.command={command}"] if command else []
        self._environment = {
            "PATH": "/usr/bin",
            "LANG": "C.UTF-8",
            "RESTIC_CACHE_DIR": _CACHE,
            # Not in memory, and where its SELinux domain may write.
            "TMPDIR": _CACHE,
            # A machine of two cores has mail to carry.
            "GOMAXPROCS": "2",
            **target["environment"],
        }

    def run(self, *words: str, timeout_seconds: float | None = None) -> Done:
        """Run restic; what it says to people comes as `errors`."""
        argv = [*_as_user("-all"), "restic", "--json", "--quiet", *self._options, *words]
        try:
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                env=self._environment,
                cwd="/",
                timeout=timeout_seconds,
            )
        except subprocess.TimeoutExpired as error:
            said = _lines(error.stderr)[-1:] or [f"no answer in {timeout_seconds:.0f} s"]
            raise PostolkaError("backup", _error(said[0])) from error
        errors = [_error(line) for line in _lines(done.stderr)]
        if done.returncode and self._ssh:
            errors += self._said_by_ssh()
        return Done(
            status=done.returncode,
            messages=tuple(_messages(_lines(done.stdout))),
            errors=tuple(errors),
        )

    def _said_by_ssh(self) -> list[str]:
        """Return why the SFTP server can't be reached, of which restic knows the end alone."""
        done = subprocess.run(
            [*_as_user("-all"), *self._ssh],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
            cwd="/",
        )
        return [line.strip() for line in _lines(done.stderr)[-1:]] if done.returncode else []

    def wanted(self, *words: str, timeout_seconds: float | None = None) -> Done:
        """Run restic. Raises PostolkaError where it fails."""
        done = self.run(*words, timeout_seconds=timeout_seconds)
        if done.status:
            raise PostolkaError("backup", done.problem)
        return done

    def snapshots(self) -> list[Snapshot]:
        """Return this server's backups, the oldest first. Raises PostolkaError."""
        words = ("snapshots", "--host", self.host, "--no-lock")
        found = self.wanted(*words, timeout_seconds=FIRST_SECONDS).messages
        return sorted(map(_snapshot, found), key=lambda item: item.time)

    def snapshot(self, wanted: str) -> Snapshot:
        """Return a backup by the begin of its id, or the latest. Raises PostolkaError."""
        all_of_them = self.snapshots()
        found = [item for item in all_of_them if wanted == "latest" or item.id.startswith(wanted)]
        if not found:
            hint = "postolka-instance backup list"
            raise PostolkaError(f"snapshot {wanted}", f"there is none of {self.host}", hint=hint)
        return found[-1]

    def restore(self, snapshot: Snapshot, target: Path, *, folder: str = "") -> None:
        """Put a backup's files below `target`, whosever they are; of `folder` only what is in it.

        Tells of its progress. Raises PostolkaError.
        """
        source = f"{snapshot.id}:{folder}" if folder else snapshot.id
        words = ["restore", source, "--target", str(target), *_OWN_LABELS, LOCK]
        if not sys.stderr.isatty():
            words.append("--quiet")
        argv = [*_as_user(_TO_RESTORE), "restic", *self._options, *words]
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=2,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env=self._environment,
            cwd="/",
        )
        if done.returncode:
            said = done.stderr.strip().splitlines() or ["restic gave no reason"]
            raise PostolkaError(f"snapshot {snapshot.name}", said[0].removeprefix("Fatal: "))


def load(paths: Paths) -> Repository:
    """Return the repository of the machine's data. Raises PostolkaError where they name none."""
    target = read(paths)
    if target is None:
        hint = "docs/backup.md: `backup` in the instance's data"
        raise PostolkaError("backup", "the instance's data name no place for one", hint=hint)
    return Repository(target)


def read(paths: Paths) -> dict[str, Any] | None:
    """Return what was rendered for backups; None where the data name no place."""
    try:
        target: dict[str, Any] | None = json.loads(paths.backup_target.read_bytes())
    except PermissionError as error:
        hint = "sudo postolka-instance backup"
        raise PostolkaError("backup", "only root may", hint=hint) from error
    except FileNotFoundError:
        return None
    return target


def _as_user(capabilities: str) -> list[str]:
    """Return the command before the command by which root becomes restic's user."""
    if os.geteuid():
        return []
    argv = ["setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--clear-groups"]
    return [*argv, f"--inh-caps={capabilities}", f"--ambient-caps={capabilities}", "--"]


def _lines(said: bytes | None) -> list[str]:
    return (said or b"").decode(errors="replace").splitlines()


def _snapshot(found: Mapping[str, Any]) -> Snapshot:
    return Snapshot(
        id=found["id"],
        # Nanoseconds are more than Python reads.
        time=datetime.fromisoformat(found["time"][:19] + "+00:00"),
        bytes=found.get("summary", {}).get("total_bytes_processed", 0),
        tags=tuple(found.get("tags") or ()),
    )


def _messages(lines: Iterable[str]) -> list[dict[str, Any]]:
    """Return the objects of JSON lines; a list counts as its items."""
    found: list[dict[str, Any]] = []
    for line in lines:
        with contextlib.suppress(ValueError):
            value = json.loads(line)
            found += value if isinstance(value, list) else [value]
    return found


def _error(line: str) -> str:
    """Return what a line of restic's standard error says to people."""
    try:
        found = json.loads(line)
    except ValueError:
        return line.strip()
    if not isinstance(found, dict):
        return line.strip()
    error = found.get("error")
    text = error.get("message", "") if isinstance(error, dict) else found.get("message", "")
    return f"{found.get('item', '')}: {text}" if error else str(text)
