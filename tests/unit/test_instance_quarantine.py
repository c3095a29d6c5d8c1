"""The quarantine, as the operator's command reads it."""

from __future__ import annotations

import gzip
import os
from typing import TYPE_CHECKING

import pytest

from postolka.errors import PostolkaError
from postolka.instance import quarantine
from postolka.instance.paths import Paths

if TYPE_CHECKING:
    from pathlib import Path

_MAIL = b"""\
X-Quarantine-ID: <%(id)s>
X-Envelope-From: <%(sender)s>
X-Envelope-To: <alice@example.test>,
 <bob@example.test>
Subject: =?utf-8?q?V=C4=9Bc=1B=5B2J?=

Text
"""


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """Return a machine with an empty quarantine."""
    paths = Paths(root=tmp_path)
    paths.quarantine.mkdir(parents=True)
    return paths


def _keep(paths: Paths, kind: str, identifier: str, *, when: int, sender: bytes = b"a@b.c") -> None:
    folder = paths.quarantine / identifier[0]
    folder.mkdir(exist_ok=True)
    file = folder / f"{kind}-{identifier}.gz"
    fields = {b"id": identifier.encode("ascii"), b"sender": sender}
    file.write_bytes(gzip.compress(_MAIL % fields))
    os.utime(file, (when, when))


def test_mails_are_listed_oldest_first(paths: Paths) -> None:
    """Each with what an operator decides by; what amavis didn't write isn't among them."""
    _keep(paths, "spam", "Zb_-9", when=2000)
    _keep(paths, "virus", "a1", when=1000, sender=b"")
    (paths.quarantine / "Z" / "notes.gz").write_bytes(b"")
    first, second = quarantine.entries(paths)
    assert (first.id, first.kind, first.sender) == ("a1", "virus", "")
    assert second.as_data() == {
        "id": "Zb_-9",
        "kind": "spam",
        "kept": "1970-01-01T00:33:20+00:00",
        "sender": "a@b.c",
        "recipients": ["alice@example.test", "bob@example.test"],
        "subject": "Věc?[2J",
    }
    assert str(second).startswith(
        "Zb_-9  1970-01-01 00:33  spam       <a@b.c> -> alice@example.test, "
    )


@pytest.mark.parametrize("identifier", ["nothing", "../../etc/passwd", ""])
def test_unknown_mail_is_named(paths: Paths, identifier: str) -> None:
    """A wrong identifier is an error that says how to see the right ones."""
    with pytest.raises(PostolkaError, match="is not in the quarantine") as caught:
        quarantine.release(paths, identifier, [])
    assert caught.value.hint == "postolka-instance quarantine list"
