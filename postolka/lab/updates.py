"""Publish rules for SpamAssassin and signatures for ClamAV on the lab's mirror.

The channel `rules.example` is what sa-update(1) expects of one: a version in the DNS, a list of
mirrors, and an archive with checksums and a signature. Its key is made once on a build host and
kept, like the lab's other keys that instances know.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import tarfile
import time
from typing import TYPE_CHECKING

from postolka import files, home
from postolka.errors import PostolkaError
from postolka.lab import mirror, programs, world

if TYPE_CHECKING:
    from pathlib import Path

    from postolka.lab.client import Lab

CHANNEL = "rules.example"
_URL = f"http://{world.MIRROR.name}"
_GPG = ("gpg", "--homedir", "/gnupg", "--batch", "--no-tty", "--quiet", "--pinentry-mode=loopback")
_OWNER = "rules@rules.example"
#: A name that is a file of ClamAV's, of a kind that needs no signature by its makers.
_SIGNATURES = re.compile(r"[A-Za-z0-9_-]+\.(hdb|hsb|ndb|ldb|yar|ign2|fp|sfp|cdb|mdb|msb|pdb|wdb)")


def rules(lab: Lab, text: bytes) -> int:
    """Publish `text`, a SpamAssassin configuration file, as the channel's newest version.

    Returns its number; each is higher than the one before.
    """
    version = max(int(time.time()), _newest(lab) + 1)
    place = _place(lab)
    archive = _archive(text, version)
    name = f"{version}.tar.gz"
    parts = {
        name: archive,
        f"{name}.sha512": f"{hashlib.sha512(archive).hexdigest()}  {name}\n".encode("ascii"),
        f"{name}.sha256": f"{hashlib.sha256(archive).hexdigest()}  {name}\n".encode("ascii"),
        f"{name}.asc": _sign(lab, archive),
        "MIRRORED.BY": f"{_URL}/ weight=1\n".encode("ascii"),
    }
    for part, data in parts.items():
        files.replace(place / part, data)
    # sa-update asks for 1.0.4.rules.example where its version is 4.0.1.
    lab.publish(
        CHANNEL,
        f'*.{CHANNEL}. 1 IN TXT "{version}"\nmirrors.{CHANNEL}. 1 IN TXT "{_URL}/MIRRORED.BY"\n',
    )
    return version


def key(lab: Lab) -> tuple[str, bytes]:
    """Return the fingerprint of the channel's key, and the key as gpg imports it."""
    listed = _gpg(lab, "--with-colons", "--list-keys", _OWNER)
    fingerprint = next(line for line in listed.splitlines() if line.startswith(b"fpr:"))
    return fingerprint.split(b":")[9].decode("ascii"), _gpg(lab, "--armor", "--export", _OWNER)


def signatures(lab: Lab, name: str, text: bytes) -> str:
    """Publish a signature file of ClamAV's under `name`; return its URL (DatabaseCustomURL).

    Raises PostolkaError for a name that freshclam doesn't take: signed databases (.cvd) can be made
    by ClamAV's makers alone.
    """
    if not _SIGNATURES.fullmatch(name):
        hint = "for example lab.hdb, lab.ndb"
        raise PostolkaError(name, "is no name of a ClamAV signature file", hint=hint)
    files.replace(_place(lab) / name, text)
    return f"{_URL}/{name}"


def _place(lab: Lab) -> Path:
    return lab.directory / mirror.DIRECTORY


def _newest(lab: Lab) -> int:
    return max((int(path.name.split(".")[0]) for path in _place(lab).glob("*.tar.gz")), default=0)


def _archive(text: bytes, version: int) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in (("lab.cf", text), ("STATISTICS", b"")):
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), version
            tar.addfile(info, io.BytesIO(data))
    return gzip.compress(raw.getvalue(), mtime=version)


def _sign(lab: Lab, data: bytes) -> bytes:
    return _gpg(lab, "--armor", "--detach-sign", "--local-user", _OWNER, stdin=data)


def _gpg(lab: Lab, *words: str, stdin: bytes = b"") -> bytes:
    """Run gpg with the channel's key, made the first time."""
    place = home.home() / "lab" / "gnupg"
    if not (place / "pubring.kbx").exists():
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = ("--passphrase", "", "--quick-generate-key", _OWNER, "rsa2048", "sign", "never")
        programs.call(lab, [*_GPG, *made], writes={"/gnupg": place})
    return programs.call(lab, [*_GPG, *words], stdin, writes={"/gnupg": place})
