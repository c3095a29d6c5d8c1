"""Give user-data what an instance must know of the lab: its DNS root and that root's key.

The lab is nothing special to the image: another DNS root is ordinary instance data.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import yaml

from postolka.errors import ProblemsError
from postolka.instance import document
from postolka.lab import keys, nameserver, world

if TYPE_CHECKING:
    from typing import Any

_KEY = re.compile(rb"^dns:", re.MULTILINE)


def dns_block() -> dict[str, Any]:
    """Return the `dns` part of instance data in the lab."""
    tag, algorithm, kind, digest = nameserver.anchor(keys.root().dnskey)
    return {
        "root_hints": [{"name": world.ROOT_DNS.name, "addresses": list(world.ROOT_DNS.addresses)}],
        "trust_anchors": [
            {"key_tag": tag, "algorithm": algorithm, "digest_type": kind, "digest": digest}
        ],
    }


def amend(user_data: bytes) -> bytes:
    """Return `user_data` whose instance data use the lab's DNS root.

    Only that is changed. User-data without instance data, or with broken ones, and ones that name
    a root of their own stay as they are: the machine itself has to judge them.
    """
    try:
        old = document.part(user_data, where="user-data")
        data = document.load(old, where="user-data")
    except ProblemsError:
        return user_data
    if not isinstance(data, dict) or _KEY.search(old) or "format" not in data:
        return user_data
    block = yaml.safe_dump({"dns": dns_block()}, sort_keys=False).encode("ascii")
    new = old.rstrip(b"\n") + b"\n\n# The lab's DNS.\n" + block
    # In MIME form the part stands there as it is, unless it is encoded.
    return user_data.replace(old, new) if user_data.count(old) == 1 else user_data
