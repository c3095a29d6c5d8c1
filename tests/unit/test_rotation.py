"""`postolka instance rotate-dkim`: three steps, and in each the data stay good."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from postolka import cli, rotation
from postolka.errors import PostolkaError
from postolka.home import CHECKOUT
from postolka.instance.parse import parse
from tests.unit import instances

if TYPE_CHECKING:
    from pathlib import Path

    from postolka.instance.model import Instance

_EXAMPLE = CHECKOUT / "cloud-init/examples/every-field.yaml"
_FLOW = """\
domains: {{example.test: {{dkim: [{{selector: r, algorithm: rsa, private_key: {rsa}}},
  {{selector: e, algorithm: ed25519, private_key: {ed25519}}}]}}}}
"""


def _roles(instance: Instance) -> list[dict[str, tuple[str, str]]]:
    return [
        {key.selector: (key.algorithm, key.role) for key in domain.dkim}
        for domain in instance.domains
    ]


def _flow() -> bytes:
    """Return data whose domains stand in one line, as YAML allows."""
    values = instances.data()
    keys = {
        key["algorithm"]: key["private_key"] for key in values["domains"]["example.test"]["dkim"]
    }
    rest = instances.dumped({name: values[name] for name in values if name != "domains"})
    return rest + _FLOW.format(**keys).encode()


@pytest.mark.parametrize("form", ["user-data", "document", "one line"])
def test_three_steps_replace_every_key(form: str) -> None:
    """Published first, then signing beside the old ones, then alone; the serial rises each time."""
    data = {
        "user-data": instances.made().user_data,
        "document": instances.yaml_data(),
        "one line": _flow(),
    }[form]
    old = parse(data)
    (before,) = _roles(old)
    first = rotation.rotate(data, where="test", serial=5)
    (roles,) = _roles(first.instance)
    assert first.instance.serial == 5
    assert {name: roles[name] for name in before} == before
    new = {name: algorithm for name, (algorithm, role) in roles.items() if role == "next"}
    assert sorted(new.values()) == ["ed25519", "rsa"]
    second = rotation.rotate(first.data, where="test", serial=5)
    (roles,) = _roles(second.instance)
    assert second.instance.serial == 6
    assert {name for name, (_, role) in roles.items() if role == "active"} == new.keys()
    assert {name for name, (_, role) in roles.items() if role == "retired"} == before.keys()
    third = rotation.rotate(second.data, where="test", serial=1)
    (roles,) = _roles(third.instance)
    assert roles == {name: (algorithm, "active") for name, algorithm in new.items()}
    assert third.instance.accounts == old.accounts


def test_comments_and_other_fields_stay() -> None:
    """Only lines of the serial and of DKIM keys change."""
    data = _EXAMPLE.read_bytes()
    done = rotation.rotate(data, where="test", serial=4)
    # It has a key in waiting for one domain's Ed25519: that one is due first.
    assert _roles(done.instance)[0] == {
        "rsa-d59696e1": ("rsa", "active"),
        "ed25519-81e8a2e4": ("ed25519", "retired"),
        "ed25519-66de06a8": ("ed25519", "active"),
    }
    before, after = data.decode().splitlines(), done.data.decode().splitlines()
    assert set(before) - set(after) == {"serial: 3", "        role: next"}
    assert set(after) - set(before) == {
        "serial: 4",
        "        role: retired",
        "        role: active",
    }
    gone = rotation.rotate(done.data, where="test", serial=4)
    assert "ed25519-81e8a2e4" not in gone.data.decode()
    both = rotation.rotate(gone.data, where="test", serial=4)
    assert [len(domain.dkim) for domain in both.instance.domains] == [4, 4]


def test_files_are_replaced_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Data and records beside them are written; both selectors are among the records."""
    file = tmp_path / "user-data"
    file.write_bytes(instances.made().user_data)
    (tmp_path / "zone").write_text("old")
    assert cli.main(["instance", "rotate-dkim", str(file)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["user-data", "zone"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    selectors = [key.selector for key in parse(file.read_bytes()).domains[0].dkim]
    assert len(selectors) == 4
    zone = (tmp_path / "zone").read_text()
    assert all(f"{selector}._domainkey.example.test." in zone for selector in selectors)
    said = capsys.readouterr()
    assert said.out == f"{file}\n"
    assert "publish the records" in said.err


def test_bad_data_are_left_alone(tmp_path: Path) -> None:
    """What isn't valid isn't edited, nor is what is encoded."""
    file = tmp_path / "user-data"
    file.write_bytes(b"format: 1\n")
    assert cli.main(["instance", "rotate-dkim", str(file)]) == 1
    assert file.read_bytes() == b"format: 1\n"
    assert cli.main(["instance", "rotate-dkim", str(tmp_path / "absent")]) == 1
    twice = instances.made().user_data + instances.yaml_data()
    with pytest.raises(PostolkaError, match="encoded"):
        rotation.rotate(twice, where="test", serial=1)
