"""What the content filter kept instead of delivering it: list, release and learn from it.

amavis writes one file a mail below the quarantine (50-user); only root and amavis may look.
"""

from __future__ import annotations

import email
import email.header
import email.policy
import gzip
import os
import re
import subprocess
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from postolka.errors import PostolkaError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from postolka.instance.paths import Paths

_NAME = re.compile(r"(spam|virus|banned|unchecked)-([A-Za-z0-9_-]+)\.gz")
_ADDRESS = re.compile(r"<([^<>]*)>")
#: A header is shorter; the rest of a mail isn't read for a list.
_HEADER_BYTES = 1 << 18
_RELEASE = "/usr/sbin/amavisd-release"
_LEARN = "/usr/libexec/postolka/learn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A mail in the quarantine."""

    id: str
    kind: str
    kept: datetime
    sender: str
    """Of the envelope; empty: a bounce."""
    recipients: tuple[str, ...]
    subject: str
    path: Path

    def as_data(self) -> dict[str, object]:
        """Return plain data, ready for JSON."""
        return {
            "id": self.id,
            "kind": self.kind,
            "kept": self.kept.isoformat(),
            "sender": self.sender,
            "recipients": list(self.recipients),
            "subject": self.subject,
        }

    def __str__(self) -> str:
        to = ", ".join(self.recipients)
        when = self.kept.strftime("%Y-%m-%d %H:%M")
        return f"{self.id}  {when}  {self.kind:9}  <{self.sender}> -> {to}  {self.subject}"


def entries(paths: Paths) -> list[Entry]:
    """Return what is there, oldest first. Raises PostolkaError for whoever may not look."""
    try:
        return sorted(map(_entry, _files(paths)), key=lambda entry: (entry.kept, entry.id))
    except PermissionError as error:
        hint = "sudo postolka-instance quarantine list"
        raise PostolkaError(str(paths.quarantine), "is not for you to read", hint=hint) from error


def kinds(paths: Paths) -> Counter[str]:
    """Return how many mails of each kind are there. Raises PermissionError."""
    names = (_NAME.fullmatch(path.name) for path in _files(paths))
    return Counter(name[1] for name in names if name)


def release(paths: Paths, identifier: str, recipients: Sequence[str]) -> str:
    """Have a mail delivered, to its recipients or to others; return what the filter says.

    It stays in the quarantine. Raises PostolkaError for an unknown one, and with the filter's words
    where it refuses.
    """
    entry = _find(paths, identifier)
    relative = entry.path.relative_to(paths.quarantine)
    return _run([_RELEASE, str(relative), "", *recipients])


def learn(paths: Paths, identifier: str, kind: str) -> None:
    """Have Bayes learn a mail as spam or ham."""
    with gzip.open(_find(paths, identifier).path) as mail:
        _run([_LEARN, kind], stdin=mail.read())


def _files(paths: Paths) -> Iterator[Path]:
    # One level of directories, by an identifier's first character.
    for folder in os.scandir(paths.quarantine):
        if folder.is_dir(follow_symlinks=False):
            yield from (p for p in Path(folder.path).iterdir() if _NAME.fullmatch(p.name))


def _entry(path: Path) -> Entry:
    name = _NAME.fullmatch(path.name)
    assert name  # noqa: S101 - _files let no other pass
    with gzip.open(path) as stream:
        head = stream.read(_HEADER_BYTES).partition(b"\n\n")[0]
    message = email.message_from_bytes(head, policy=email.policy.compat32)
    subject = email.header.make_header(email.header.decode_header(message["Subject"] or ""))
    sender = _ADDRESS.findall(str(message["X-Envelope-From"] or ""))
    return Entry(
        id=name[2],
        kind=name[1],
        kept=datetime.fromtimestamp(path.stat().st_mtime, UTC).replace(microsecond=0),
        sender=sender[0] if sender else "",
        recipients=tuple(_ADDRESS.findall(str(message["X-Envelope-To"] or ""))),
        # What a stranger wrote must not steer the operator's terminal.
        subject="".join(char if char.isprintable() else "?" for char in str(subject)),
        path=path,
    )


def _find(paths: Paths, identifier: str) -> Entry:
    found = [entry for entry in entries(paths) if entry.id == identifier]
    if not found:
        hint = "postolka-instance quarantine list"
        raise PostolkaError(identifier, "is not in the quarantine", hint=hint)
    return found[0]


def _run(argv: Sequence[str], *, stdin: bytes = b"") -> str:
    done = subprocess.run(argv, input=stdin, capture_output=True, check=False)
    said = (done.stdout + done.stderr).decode(errors="replace").strip()
    if done.returncode:
        raise PostolkaError(argv[0], said or f"exit status {done.returncode}")
    return said
