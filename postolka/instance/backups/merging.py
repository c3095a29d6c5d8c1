"""Files that come back beside those that are there.

Contract: each is put in its place at once, by a move; stopped anywhere, the same again comes to the
same end. A mail keeps the name of its file (what stands before the colon; behind that are flags) in
whatever folder it is, so one that is there is known, and never put beside itself.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
from dataclasses import dataclass
from string import ascii_lowercase
from typing import TYPE_CHECKING

from postolka.instance.checks.check import count

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MESSAGES = ("cur", "new")
_KEYWORDS = "dovecot-keywords"
_UIDVALIDITY = "dovecot-uidvalidity"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """What came back of users' mail."""

    homes: int
    """Those that weren't there."""
    mails: int
    """In homes that were."""

    def __str__(self) -> str:
        homes = f"{self.homes or 'no'} mailbox{'' if self.homes == 1 else 'es'}"
        return f"{homes}, and {count(self.mails, 'mail')} in mailboxes that were there"


def merge(source: Path, target: Path, *, keeps: bool) -> None:
    """Move what is below `source` to `target`; with `keeps` what is there stays, else it goes."""
    if not os.path.lexists(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        _move(source, target)
    elif _is_directory(source) and _is_directory(target):
        for path in sorted(source.iterdir()):
            merge(path, target / path.name, keeps=keeps)
    elif not keeps:
        if _is_directory(target):
            shutil.rmtree(target)
        _move(source, target)


def merge_mail(source: Path, target: Path) -> Mail:
    """Move what `target` lacks of the homes in `source`, both by domain and local part."""
    homes = mails = 0
    for home in sorted(source.glob("*/*")):
        place = target / home.relative_to(source)
        if not place.exists():
            homes += 1
        else:
            mails += _prepare(home, place)
    merge(source, target, keeps=True)
    return Mail(homes=homes, mails=mails)


def _prepare(home: Path, place: Path) -> int:
    """Leave in `home` only what can be put into the home at `place`; return how many mails."""
    known = {_name(path) for path in _mails(place)}
    mails = 0
    for mail in list(_mails(home)):
        if _name(mail) in known:
            mail.unlink()
            continue
        folder = mail.parent.parent
        kept = _kept_keywords(folder, place / folder.relative_to(home))
        base, colon, flags = mail.name.partition(":")
        flags = "".join(flag for flag in flags if flag not in ascii_lowercase or flag in kept)
        mail.rename(mail.with_name(f"{base}{colon}{flags}"))
        mails += 1
    # The folder there has numbered its mails by itself; what comes is numbered anew.
    for number in list(home.rglob(f"{_UIDVALIDITY}*")):
        if (place / number.relative_to(home)).with_name(_UIDVALIDITY).exists():
            number.unlink()
    return mails


def _kept_keywords(source: Path, target: Path) -> str:
    """Return the letters in flags that stand for the same keyword in both folders."""
    if not (target / _KEYWORDS).exists():
        return ascii_lowercase
    there, here = _keywords(target), _keywords(source)
    return "".join(letter for letter, name in here.items() if there.get(letter) == name)


def _keywords(folder: Path) -> dict[str, str]:
    """Return the folder's keywords by their letters: a line each, `NUMBER NAME`."""
    file = folder / _KEYWORDS
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    numbered = (line.partition(" ") for line in lines)
    return {
        ascii_lowercase[int(number)]: name
        for number, _, name in numbered
        if number.isdigit() and int(number) < len(ascii_lowercase)
    }


def _mails(home: Path) -> Iterator[Path]:
    return (path for path in home.rglob("*") if path.parent.name in _MESSAGES and path.is_file())


def _name(mail: Path) -> str:
    return mail.name.partition(":")[0]


def _is_directory(path: Path) -> bool:
    return stat.S_ISDIR(path.lstat().st_mode)


def _move(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except OSError as error:
        # /home and /root are mounts of their own.
        if error.errno != errno.EXDEV:
            raise
        subprocess.run(["cp", "-a", "--no-target-directory", source, target], check=True)
