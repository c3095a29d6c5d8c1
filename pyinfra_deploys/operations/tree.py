"""Install a room's whole tree in one step."""

from __future__ import annotations

import base64
import shlex
from collections import defaultdict
from typing import TYPE_CHECKING

from pyinfra.api.command import StringCommand
from pyinfra.api.operation import operation
from pyinfra.context import host

from pyinfra_deploys.facts.tree import Tree
from pyinfra_deploys.tree import Entry, beneath, pack

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence


@operation()
def install(entries: Sequence[Entry]) -> Generator[StringCommand, None, None]:
    """Make every file, link and directory of `entries` be there with content, owner and mode.

    They are rendered already (pyinfra_deploys.tree.entries). One command reads the state of all,
    one more writes those that differ, and none is run where nothing does. Other files stay.
    """
    if not entries:
        return
    found = host.get_fact(Tree, paths=[entry.path for entry in entries])
    changed = [entry for entry in entries if found.get(entry.path) != entry.seen]
    if changed:
        yield _write(changed)


def _write(changed: Sequence[Entry]) -> StringCommand:
    """Return the command that makes directories, unpacks files and links, and sets owners.

    The archive is fed to standard input: no temporary file, no name that anyone could foresee.
    tar's own owners aren't used, since it takes a name that the machine doesn't know for root.
    """
    steps = ["umask 022"]
    for entry in changed:
        if entry.kind == "directory":
            owner = f"-o {shlex.quote(entry.user)} -g {shlex.quote(entry.group)}"
            steps.append(f"install -d -m {entry.mode} {owner} -- {shlex.quote(entry.path)}")
    files = [entry for entry in changed if entry.kind != "directory"]
    archive = ""
    if files:
        steps.append(
            "base64 -d | tar --extract --file=- --directory=/ --touch --same-permissions"
            " --same-owner --no-overwrite-dir --keep-directory-symlink"
        )
        archive = base64.b64encode(pack(files)).decode()
    owners: dict[str, list[str]] = defaultdict(list)
    modes: dict[str, list[str]] = defaultdict(list)
    for entry in files:
        if (entry.user, entry.group) != ("root", "root"):
            owners[f"{entry.user}:{entry.group}"].append(shlex.quote(entry.path))
        if entry.kind == "file" and int(entry.mode, 8) > 0o777:  # noqa: PLR2004 - set-id, sticky
            modes[entry.mode].append(shlex.quote(entry.path))
    steps += [f"chown -h {shlex.quote(o)} -- {' '.join(paths)}" for o, paths in owners.items()]
    # Last, since a change of owner takes set-id bits away.
    steps += [f"chmod {mode} -- {' '.join(paths)}" for mode, paths in modes.items()]
    return StringCommand(beneath("; ".join(steps)), _stdin=archive)
