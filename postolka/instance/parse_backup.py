"""From plain data to the part of an instance that says where its backups go.

The grammars are strict: a place is a word of a command, of ssh_config and of a URL.
Pure: no I/O.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from postolka.instance import backup, grammar, keys
from postolka.instance.reading import record, secret, text, texts, whole

if TYPE_CHECKING:
    from postolka.instance.node import Node
    from postolka.instance.reading import Check

_PLACES = ("path", "sftp", "s3")
_WORD = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
_PATH = re.compile(rf"/?{_WORD}(/{_WORD})*")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
_HOST_KEY = re.compile(r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/]+={0,2}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_REGION = re.compile(r"[a-z0-9-]{1,64}")
_ACCESS_KEY = re.compile(r"[A-Za-z0-9._/+=-]{1,128}")
_SECRET_KEY = re.compile(r"[A-Za-z0-9._/+=-]{8,256}")
_PATH_CHARACTERS = 255
_MAX_PORT = 65535


def parse(node: Node) -> backup.Backup | None:
    """Read where backups go."""
    found = record(
        node,
        backup.Backup,
        {"password": secret(grammar.password)},
        {
            "ssh_key": secret(lambda key: keys.problem(key, "ed25519")),
            "path": text(_local),
            "sftp": _sftp,
            "s3": _s3,
        },
    )
    if found is None:
        return None
    if isinstance(node.value, dict):
        named = [name for name in _PLACES if name in node.value]
        if len(named) > 1:
            node.complain(f"has {' and '.join(named)}; backups go to one place")
    if found.sftp and not found.ssh_key:
        node.complain("sftp needs ssh_key, which logs in there")
    return found


def _sftp(node: Node) -> backup.Sftp | None:
    def host_keys(child: Node) -> tuple[str, ...]:
        if child.value == []:
            child.complain("must have a key: ssh-keyscan shows them, compare them with the host's")
        return texts(_host_key)(child)

    return record(
        node,
        backup.Sftp,
        {
            "host": text(grammar.host_or_address),
            "user": text(_matching(_USER, "is not a user name (A-Z a-z 0-9 . _ -)")),
            "path": text(_path),
            "host_keys": host_keys,
        },
        {"port": whole(1, _MAX_PORT)},
    )


def _s3(node: Node) -> backup.S3 | None:
    return record(
        node,
        backup.S3,
        {
            "endpoint": text(grammar.url),
            "bucket": text(_matching(_BUCKET, "is not a bucket's name (3 to 63 of a-z 0-9 . -)")),
            "access_key": text(_matching(_ACCESS_KEY, "is not an access key's name")),
            "secret_key": secret(_matching(_SECRET_KEY, "is not a secret key")),
        },
        {
            "prefix": text(_path),
            "region": text(_matching(_REGION, "is not a region's name (a-z 0-9 -)")),
            "ca_certificate": text(grammar.certificate),
        },
    )


def _matching(pattern: re.Pattern[str], problem: str) -> Check:
    return lambda item: None if pattern.fullmatch(item) else problem


def _path(item: str) -> str | None:
    """Check a path elsewhere: words that begin with no dot, so that none leads up."""
    if _PATH.fullmatch(item) and len(item) <= _PATH_CHARACTERS:
        return None
    return "is not a path (words of A-Z a-z 0-9 . _ -, with / between them)"


def _local(item: str) -> str | None:
    """Check a path on this machine, where the backup may write."""
    if item != backup.LOCAL and not item.startswith(f"{backup.LOCAL}/"):
        return f"is neither {backup.LOCAL} nor below it"
    return _path(item)


def _host_key(item: str) -> str | None:
    try:
        if _HOST_KEY.fullmatch(item):
            serialization.load_ssh_public_key(item.encode("ascii"))
            return None
    except (ValueError, UnsupportedAlgorithm):
        pass
    return "is not a host's public key (ssh-ed25519 AAAA..., without a name)"
