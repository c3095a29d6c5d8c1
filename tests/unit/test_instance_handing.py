"""The machine's data for the platform: what it gave before, with the present document in it."""

from __future__ import annotations

import email
from typing import TYPE_CHECKING

import pytest

from postolka.errors import PostolkaError
from postolka.instance import document, handing
from postolka.instance.parse import parse
from tests.unit import instances
from tests.unit.agentroot import make

if TYPE_CHECKING:
    from pathlib import Path

    from postolka.instance.paths import Paths

_PRESENT = instances.dumped(instances.data(serial=7, hostname="mx.example.test"))


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """Return a machine with newer data than the platform gave."""
    paths = make(tmp_path / "root")
    paths.state.mkdir(parents=True)
    paths.kept.write_bytes(_PRESENT)
    paths.user_data.parent.mkdir(parents=True)
    return paths


def test_ssh_keys_stay_with_the_data(paths: Paths) -> None:
    """Every other part of the user-data is as the platform gave it."""
    given = instances.made().user_data
    paths.user_data.write_bytes(given)
    data, amiss = handing.user_data(paths)
    assert (amiss, parse(data)) == ("", parse(_PRESENT))
    parts = [
        {
            item.get_content_type(): item.get_payload()
            for item in email.message_from_bytes(one).walk()
        }
        for one in (given, data)
    ]
    assert parts[0].keys() == parts[1].keys()
    config = "text/cloud-config"
    assert parts[0][config] == parts[1][config]
    assert document.part(data, where="test").rstrip() == _PRESENT.rstrip()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, "the platform gave no user-data"),
        (b"\n", "the platform gave no user-data"),
        (b"#cloud-config\nssh_authorized_keys: []\n", "are something else"),
        (b"MIME-Version: 1.0\nContent-Type: text/plain\n\nx\n", "has 0 parts"),
    ],
    ids=["none", "empty", "plain", "others"],
)
def test_document_comes_alone_where_there_is_no_place_for_it(
    paths: Paths, given: bytes | None, words: str
) -> None:
    """It is good as it stands, and why is said."""
    if given is not None:
        paths.user_data.write_bytes(given)
    data, amiss = handing.user_data(paths)
    assert data == _PRESENT
    assert words in amiss


def test_wrong_data_are_replaced_too(paths: Paths) -> None:
    """What the machine refused at boot needn't be valid to make way."""
    good = instances.made().user_data
    paths.user_data.write_bytes(good.replace(b"hostname:", b"hostname: ["))
    data, amiss = handing.user_data(paths)
    assert (amiss, parse(data)) == ("", parse(_PRESENT))


def test_machine_without_data_has_none_to_give(paths: Paths) -> None:
    """And says so."""
    paths.kept.unlink()
    with pytest.raises(PostolkaError, match="there are none yet"):
        handing.user_data(paths)
