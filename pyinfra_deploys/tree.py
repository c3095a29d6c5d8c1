"""What a room puts into an image: every file, link and directory with its owner, mode and bytes.

Contract: the same room and settings give the same bytes; everything is rendered, and every mistake
found, before a machine is touched. Pure: no I/O but reading the room's folder, no pyinfra.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shlex
import tarfile
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

import jinja2

from postolka.errors import Problem, ProblemsError
from postolka.instance.templates import environment
from pyinfra_deploys.room import Attributes, Room, instance_files, instance_parts, units

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pyinfra_deploys.settings import Settings

#: Where the templates that are rendered at boot lie in the image.
INSTANCE_TEMPLATES = PurePosixPath("/usr/share/postolka/instance")
#: Where the agent renders /etc to, at each boot.
RENDERED = PurePosixPath("/run/postolka/etc")
#: A unit that needs instance data waits for this; the agent makes it once all is rendered.
GATE = """\
# Made by postolka from the rooms' UNITS: no instance data, no service.
[Unit]
After=postolka-instance.service
ConditionPathExists=/run/postolka/configured
"""

_MODE = re.compile(r"[0-7]{3,4}")
_PATH = re.compile(r"(/[\w.@+:=~,%-]+)+/?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file, a symbolic link or a directory in the image."""

    path: str
    kind: Literal["file", "link", "directory"] = "file"
    mode: str = "0644"
    """Octal digits; of no meaning for a link."""
    user: str = "root"
    group: str = "root"
    content: bytes = b""
    target: str = ""
    """Where a link points."""

    @property
    def seen(self) -> Seen:
        """What is compared with a machine."""
        if self.kind == "link":
            return Seen(kind="link", user=self.user, group=self.group, content=self.target)
        digest = hashlib.sha256(self.content).hexdigest() if self.kind == "file" else ""
        mode = int(self.mode, 8)
        return Seen(kind=self.kind, mode=mode, user=self.user, group=self.group, content=digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What can be seen of an entry on a machine."""

    kind: str
    mode: int = 0
    user: str
    group: str
    content: str
    """SHA-256 of a file, target of a link, empty for a directory."""


def entries(
    room: Room, settings: Settings, house: Mapping[str, Any], extra: Mapping[str, bytes]
) -> tuple[Entry, ...]:
    """Return what `room` installs, by path, everything rendered.

    `extra` maps more absolute paths to their bytes.

    Raises ProblemsError with every template that doesn't render, path or mode that is wrong, and
    key of FILES that names nothing.
    """
    problems: list[Problem] = []
    found: list[Entry] = []
    sources = (
        *_baked(room, settings, house, problems),
        *_for_the_boot(room, settings),
        *((path, content, "0644") for path, content in extra.items()),
    )
    for path, content, mode in sources:
        if isinstance(content, str):
            found.append(Entry(path=path, kind="link", target=content))
            continue
        owner = room.files.get(path, Attributes(mode=mode))
        found.append(
            Entry(path=path, content=content, mode=owner.mode, user=owner.user, group=owner.group)
        )
    for path, owner in room.files.items():
        if path.endswith("/"):
            found.append(
                Entry(
                    path=path.rstrip("/"),
                    kind="directory",
                    mode=owner.mode,
                    user=owner.user,
                    group=owner.group,
                )
            )
    known = {entry.path for entry in found} | {path for path, _, _ in instance_files(room)}
    problems += _problems(room, found, known)
    if problems:
        raise ProblemsError(f"room {room.name}", problems)
    return tuple(sorted(found, key=lambda entry: entry.path))


def gates(rooms: Iterable[Room], settings: Settings) -> tuple[Entry, ...]:
    """Return the drop-ins that hold services back on a machine without instance data."""
    return tuple(
        Entry(path=f"/etc/systemd/system/{unit.name}.d/50-postolka.conf", content=GATE.encode())
        for unit in units(rooms, settings)
        if unit.needs_instance
    )


def pack(wanted: Iterable[Entry]) -> bytes:
    """Return a tar archive of the files and links in `wanted`, all owned by root.

    No dates, no directories: the same entries give the same bytes.
    """
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for entry in wanted:
            if entry.kind == "directory":
                continue
            member = tarfile.TarInfo(entry.path.lstrip("/"))
            member.uname = member.gname = "root"
            member.mode = int(entry.mode, 8) & 0o777
            if entry.kind == "link":
                member.type, member.linkname, member.mode = tarfile.SYMTYPE, entry.target, 0o777
                archive.addfile(member)
            else:
                member.size = len(entry.content)
                archive.addfile(member, io.BytesIO(entry.content))
    return sink.getvalue()


def beneath(script: str) -> str:
    """Return a shell command that runs `script` where nothing that the agent renders is mounted.

    On a machine that serves, /etc/postfix and its like are covered, read-only. What is installed
    lies below, and is reached in a mount namespace of the command's own: services see no gap.
    """
    rendered = r"s,^\S* \S* \S* \S*/postolka/etc/\S* \(/etc/\S*\) .*,\1,p"
    return (
        f"script={shlex.quote(script)}; mounts=$(sed -n {shlex.quote(rendered)} "
        '/proc/self/mountinfo); if [ -n "$mounts" ]; then '
        'unshare --mount sh -ec "umount $(echo $mounts); $script"; else sh -ec "$script"; fi'
    )


def _baked(
    room: Room, settings: Settings, house: Mapping[str, Any], problems: list[Problem]
) -> Iterator[tuple[str, bytes | str, str]]:
    """Yield (path, bytes of a file or target of a link, mode where FILES has none)."""
    templates = environment(jinja2.FileSystemLoader(room.rootfs))
    for source in _walk(room.rootfs):
        name = source.relative_to(room.rootfs).as_posix()
        mode = "0755" if os.access(source, os.X_OK) else "0644"
        if source.is_symlink():
            yield f"/{name}", str(source.readlink()), ""
        elif source.suffix != ".j2":
            yield f"/{name}", source.read_bytes(), mode
        else:
            try:
                text = templates.get_template(name).render(settings=settings, house=house)
            except (jinja2.TemplateError, TypeError, ValueError, KeyError) as error:
                problems.append(Problem(f"rootfs/{name}{_line(error, source)}", str(error)))
            else:
                yield f"/{name.removesuffix('.j2')}", text.encode(), mode


def _for_the_boot(room: Room, settings: Settings) -> Iterator[tuple[str, bytes | str, str]]:
    """Yield, as _baked does, what the agent needs to render the room's files at boot."""
    files = instance_files(room)
    for template in (*(template for _, template, _ in files), *instance_parts(room)):
        yield f"{INSTANCE_TEMPLATES}/{template}", (room.instance / template).read_bytes(), "0644"
    for path, _, _ in files:
        relative = PurePosixPath(path).relative_to("/etc")
        if len(relative.parts) == 1:
            # A single file can't be bind-mounted with the directories: it is a link instead.
            yield path, f"{RENDERED}/{relative}", ""
    for gate in gates((room,), settings):
        yield gate.path, gate.content, gate.mode
    for limits in room.sandbox:
        yield f"/etc/systemd/system/{limits.unit}.d/60-sandbox.conf", f"{limits}".encode(), "0644"


def _walk(folder: Path) -> Sequence[Path]:
    return [
        source
        for source in sorted(folder.rglob("*"))
        if (source.is_symlink() or source.is_file()) and "__pycache__" not in source.parts
    ]


def _line(error: Exception, source: Path) -> str:
    """Return `:N` where the line of the template is known."""
    if isinstance(error, jinja2.TemplateSyntaxError):
        return f":{error.lineno}"
    line = ""
    trace = error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == str(source):
            line = f":{trace.tb_lineno}"
        trace = trace.tb_next
    return line


def _problems(room: Room, found: Sequence[Entry], known: set[str]) -> Iterator[Problem]:
    seen: set[str] = set()
    for entry in found:
        if entry.path in seen:
            yield Problem(entry.path, "is there twice")
        seen.add(entry.path)
        if not _PATH.fullmatch(entry.path) or ".." in PurePosixPath(entry.path).parts:
            yield Problem(entry.path, "not an absolute path of plain characters")
        if not _MODE.fullmatch(entry.mode):
            yield Problem(entry.path, f"mode {entry.mode!r} is not three or four octal digits")
    for path in room.files:
        if path.rstrip("/") not in known:
            yield Problem(path, "is in FILES, but the room has no such file")
