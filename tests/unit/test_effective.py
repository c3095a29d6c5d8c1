"""What `postolka-instance config` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from postolka.errors import PostolkaError
from postolka.instance import effective
from postolka.instance.parse import parse
from tests.unit import agentroot, instances

if TYPE_CHECKING:
    from pathlib import Path


def test_every_secret_of_an_instance_is_known() -> None:
    """Keys, passwords and hashes, wherever in the model they are."""
    values = instances.data()
    found = set(effective.secrets_of(parse(instances.yaml_data())))
    assert found >= {
        *values["database"].values(),
        values["tls"]["key"],
        values["admin"]["password_hash"],
        values["accounts"][1]["password_hash"],
        values["domains"]["example.test"]["dkim"][0]["private_key"],
    }


def test_secrets_are_masked_the_longest_first() -> None:
    """One that begins another leaves nothing of it."""
    assert effective.masked("a=hunter22 b=hunter2", ["hunter2", "hunter22"]) == "a=*** b=***"
    assert effective.masked("a.c abc", ["a.c", ""]) == "*** abc"


def test_unknown_service_is_told_with_those_there_are(tmp_path: Path) -> None:
    """The hint lists the names."""
    paths = agentroot.make(tmp_path)
    house = paths.house.read_text()
    paths.house.write_text(house.replace("{", '{"effective": {"postfix": [["echo", "x"]]}, ', 1))
    with pytest.raises(PostolkaError, match="postfix"):
        effective.show(paths, "nothing")
    assert effective.show(paths, "postfix") == "x\n"
