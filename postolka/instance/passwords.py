"""Passwords of mailboxes: made, judged and hashed."""

from __future__ import annotations

import secrets
import subprocess

from postolka.errors import PostolkaError
from postolka.instance import grammar

#: 120 bits.
_PASSWORD_BYTES = 15
#: NIST SP 800-63B, 5.1.1.2, asks for eight; bcrypt sees no more than the first 72 bytes.
_SHORTEST, _LONGEST_BYTES = 8, 72
#: As in instance data; and what PHP knows, too (postolka.instance.grammar).
_HASH = ("doveadm", "pw", "-s", "BLF-CRYPT", "-r", "12")
_SCHEME = "{BLF-CRYPT}"


def new_password() -> str:
    """Return a password of 120 random bits, 20 characters; no program takes it for an option."""
    while (made := secrets.token_urlsafe(_PASSWORD_BYTES)).startswith("-"):
        pass
    return made


def hashed(password: str) -> str:
    """Return a password's bcrypt hash. Raises PostolkaError for one that nobody should have."""
    if len(password) < _SHORTEST:
        raise PostolkaError("password", f"has fewer than {_SHORTEST} characters")
    if len(password.encode()) > _LONGEST_BYTES:
        raise PostolkaError("password", f"is longer than {_LONGEST_BYTES} bytes")
    if not password.isprintable():
        raise PostolkaError("password", "has a character that can't be printed")
    # It asks twice, and so no process list has the password.
    done = subprocess.run(
        _HASH, input=f"{password}\n{password}\n", capture_output=True, text=True, check=False
    )
    found = done.stdout.strip().rpartition("\n")[2].removeprefix(_SCHEME)
    if done.returncode or grammar.password_hash(found):
        raise PostolkaError("password", f"doveadm pw made no hash: {done.stderr.strip()}")
    return found
