"""One mailbox comes back from a backup, or a folder of it, into folders of their own.

Into `Restored/DAY`, DAY being the backup's: so its owner sees what came back, takes what he wants
and deletes the rest, and nothing that he has is changed or doubled by it. Dovecot copies the mails,
with flags and dates, as an IMAP client would, so nobody has to be stopped or told.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from postolka.errors import PostolkaError
from postolka.instance.accounts import Accounts
from postolka.instance.backups import repository
from postolka.instance.backups.restoring import emptied

if TYPE_CHECKING:
    from pathlib import Path

    from postolka.instance.paths import Paths

_TOP = "Restored"
#: A backup may hold more than a mailbox may; its owner sees what there is, and what has to go.
_NO_LIMIT = ("-o", "quota_enforce=no")


def restore(paths: Paths, address: str, folder: str, wanted: str) -> dict[str, int]:
    """Return the folders that came back, with how many mails are in each. Raises PostolkaError."""
    accounts = Accounts(paths)
    if not accounts.mailboxes(address):
        hint = f"postolka-instance user add {address}"
        raise PostolkaError(address, "is no mailbox now, so nobody could read it", hint=hint)
    store = repository.load(paths)
    snapshot = store.snapshot(wanted)
    place = f"{_TOP}/{snapshot.time:%Y-%m-%d}"
    if _folders(address, f"{place}/*"):
        raise PostolkaError(address, f"has a folder {place}: move it out of the way first")
    home = accounts.homes.of(address)
    with emptied(paths):
        store.restore(snapshot, paths.restore, folder=f"/{home.relative_to(paths.root)}")
        _import(address, paths.restore / "Maildir", place, folder)
    found = _folders(address, f"{place}/*")
    if not found:
        what = f"{folder} of {address}" if folder else address
        raise PostolkaError(f"snapshot {snapshot.name}", f"has no mail in {what}")
    return found


def _import(address: str, maildir: Path, place: str, folder: str) -> None:
    # A maildir of its own has dots between a folder's names.
    query = ["mailbox", folder.replace("/", ".")] if folder else ["all"]
    _doveadm(*_NO_LIMIT, "import", "-u", address, f"maildir:{maildir}", place, *query)


def _folders(address: str, pattern: str) -> dict[str, int]:
    said = _doveadm("-f", "tab", "mailbox", "status", "-u", address, "messages", pattern)
    rows = (line.split("\t") for line in said.splitlines()[1:])
    return {name: int(messages) for name, messages in rows}


def _doveadm(*words: str) -> str:
    done = subprocess.run(["doveadm", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or [f"ended with {done.returncode}"]
        raise PostolkaError("doveadm", said[0])
    return done.stdout
