"""Instance data whose filters ask the lab's own mirror."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

import yaml

from postolka.instance import document
from postolka.lab import updates

if TYPE_CHECKING:
    from postolka.lab.client import Lab

SIGNATURES = "lab.hdb"
VIRUS = b"This is no virus, but the lab says so.\n"
SIGNATURE = b"%s:%d:Lab-Test\n" % (
    hashlib.md5(VIRUS, usedforsecurity=False).hexdigest().encode("ascii"),
    len(VIRUS),
)


def user_data(lab: Lab, given: bytes, first: bytes) -> bytes:
    """Return user-data with the lab's channel of rules, and a signature file that holds `first`."""
    fingerprint, key = updates.key(lab)
    channel = {
        "name": updates.CHANNEL,
        "fingerprint": fingerprint,
        "key": base64.b64encode(key).decode("ascii"),
    }
    filters = {
        "clamav_mirrors": [],
        "clamav_urls": [updates.signatures(lab, SIGNATURES, first)],
        "rule_channels": [channel],
    }
    old = document.part(given, where="user-data")
    new = old.rstrip(b"\n") + b"\n\n" + yaml.safe_dump({"filters": filters}).encode("ascii")
    return given.replace(old, new)
