"""Whether somebody is an admin of the whole server.

As PostfixAdmin has it at this moment; where there are no mailboxes, the admin of the data.
"""

from __future__ import annotations

import ctypes
import hmac
from typing import TYPE_CHECKING

from postolka.instance import sql

if TYPE_CHECKING:
    from postolka.instance.model import Instance
    from postolka.instance.paths import Paths

#: PostfixAdmin's superadmins; others run a domain or two.
_HASH = """\
SELECT password FROM postfixadmin.admin WHERE username = {login} AND active = 1 AND superadmin = 1;
"""
#: Nobody's, of what an admin's costs to check: who has no login is refused no sooner.
_NOBODYS = "$2b$12$PostolkaPostolkaPostoO5wjtVYPowdzvwu3NNztxkwetvv2qq2q"
_SECONDS = 10


def may_enter(paths: Paths, instance: Instance, login: str, password: str) -> bool:
    """Say whether that is an admin's login and password. Raises PostolkaError."""
    given = _stored(paths, instance, login)
    # A scheme in braces, as Dovecot has it, may stand before it.
    stored = given.rpartition("}")[2] or _NOBODYS
    return hmac.compare_digest(crypt(password, stored), stored) and bool(given)


def _stored(paths: Paths, instance: Instance, login: str) -> str:
    """Return an admin's hash; empty: that login is nobody's."""
    if not instance.has_mailboxes:
        return instance.admin.password_hash if login == instance.admin.address else ""
    question = _HASH.format(login=sql.literal(login))
    return sql.Server(paths, instance).run(question, timeout_seconds=_SECONDS).strip()


def crypt(password: str, stored: str) -> str:
    """Hash a password as `stored` was; what can't be hashed gives a text that is no hash.

    By the C library's, for Python has none any more.
    """
    function = ctypes.CDLL("libcrypt.so.1").crypt
    function.argtypes, function.restype = (ctypes.c_char_p, ctypes.c_char_p), ctypes.c_char_p
    made: bytes | None = None if "\0" in password else function(password.encode(), stored.encode())
    return (made or b"*").decode("ascii")
