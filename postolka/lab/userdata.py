"""Give user-data what an instance must know of the lab: its DNS root and its authority.

The lab is nothing special to the image: both are ordinary instance data.
"""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from typing import Any

import yaml

from postolka.errors import ProblemsError
from postolka.instance import document, editing
from postolka.lab import acme, keys, nameserver, world

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
    """Return `user_data` whose instance data use the lab's DNS root, and its authority if any.

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
    new = _certified(old).rstrip(b"\n") + b"\n\n# The lab's DNS.\n" + block
    # In MIME form the part stands there as it is, unless it is encoded.
    return user_data.replace(old, new) if user_data.count(old) == 1 else user_data


def _certified(data: bytes) -> bytes:
    """Return a document that orders its certificates from the lab's authority, if it orders any."""
    text = data.decode("utf-8")
    root: Any = yaml.compose(text, yaml.SafeLoader)
    acme_node = editing.child(root, "acme")
    if not isinstance(acme_node, yaml.MappingNode):
        return data
    enabled = editing.child(acme_node, "enabled")
    if enabled is None or enabled.value != "true":
        return data
    authority = acme.authority_certificate(keys.kept("acme-authority"), datetime.now(UTC))
    fields = {
        "directory": acme.DIRECTORY_URL,
        "ca_certificate": base64.b64encode(authority).decode("ascii"),
    }
    edits = [editing.with_field(text, acme_node, *field) for field in fields.items()]
    for edit in sorted(edits, key=lambda edit: edit.start, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text.encode("utf-8")
