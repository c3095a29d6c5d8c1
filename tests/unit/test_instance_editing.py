"""Instance data changed as text: what they say changes as it should, and nothing else does."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import pytest

from postolka.errors import PostolkaError
from postolka.home import CHECKOUT
from postolka.instance import dkim, editing
from postolka.instance.editing import Editable
from postolka.instance.parse import parse
from tests.unit import instances

_EXAMPLE = CHECKOUT / "cloud-init/examples/every-field.yaml"
_NEW = "null.example"
_FORMS = {
    "user-data": instances.made().user_data,
    "document": instances.yaml_data(),
    "dumped": instances.dumped(instances.data()),
    "json": json.dumps(instances.data()).encode(),
    "without serial": instances.dumped(instances.data(serial=None)),
    "json without serial": json.dumps(instances.data(serial=None)).encode(),
    "without a last line's end": instances.dumped(instances.data()).rstrip(b"\n"),
    "every field": _EXAMPLE.read_bytes(),
}


def _added(data: bytes) -> tuple[bytes, list[dict[str, str]]]:
    made, old = dkim.new_keys(), Editable(data, where="test")
    return old.changed(editing.add_domain(old, _NEW, made), serial=7), made


def _without(data: bytes, name: str) -> bytes:
    old = Editable(data, where="test")
    return old.changed(editing.remove_domain(old, name), serial=8)


@pytest.mark.parametrize("data", _FORMS.values(), ids=_FORMS)
def test_domain_comes_and_goes(data: bytes) -> None:
    """With its keys, after the others; taken away again, the data say what they said."""
    before = parse(data)
    new, made = _added(data)
    after = parse(new)
    assert (after.serial, after.domains[:-1]) == (7, before.domains)
    last = after.domains[-1]
    assert last.name == _NEW
    assert [(key.selector, key.algorithm, key.private_key, key.role) for key in last.dkim] == [
        (key["selector"], key["algorithm"], key["private_key"], "active") for key in made
    ]
    assert replace(after, serial=0, domains=()) == replace(before, serial=0, domains=())
    assert parse(_without(new, _NEW)) == replace(before, serial=8)
    # JSON stays JSON.
    if data.startswith(b"{"):
        assert json.loads(new)["serial"] == 7


def test_only_what_changes_is_written_anew() -> None:
    """Comments, order, and how things are written stay."""
    data = _EXAMPLE.read_bytes()
    before, (new, made) = data.decode().splitlines(), _added(data)
    after = new.decode().splitlines()
    assert set(before) - set(after) == {"serial: 3"}
    added = [line for line in after if line not in before]
    assert added[:4] == [
        "serial: 7",
        f'  "{_NEW}":',
        f"      - selector: {made[0]['selector']}",
        f"        private_key: {made[0]['private_key']}",
    ]


@pytest.mark.parametrize("form", ["block", "json"])
@pytest.mark.parametrize("others", [True, False], ids=["with others", "alone"])
def test_domain_takes_its_accounts_along(form: str, *, others: bool) -> None:
    """Those that are in it, wherever they stand in the lists; without the last the list goes."""
    values = instances.data()
    (keys,) = copy.deepcopy(values["domains"]).values()
    hash_ = values["accounts"][0]["password_hash"]
    own = [
        {"address": f"{name}@gone.example", "password_hash": hash_} for name in ("first", "last")
    ]
    leads = {"address": "x@gone.example", "targets": ["y@example.test"]}
    values["accounts"] = [own[0], *(values["accounts"] if others else ()), own[1]]
    values["aliases"] = [leads]
    kept = parse(
        instances.dumped(values | {"domains": {**values["domains"], "gone.example": keys}})
    )
    values["domains"] = {"gone.example": keys, **values["domains"]}
    data = instances.dumped(values) if form == "block" else json.dumps(values).encode()
    after = parse(_without(data, "gone.example"))
    accounts = tuple(item for item in kept.accounts if item.domain != "gone.example")
    assert len(accounts) == (2 if others else 0)
    wanted = replace(kept, serial=8, domains=kept.domains[:1], accounts=accounts, aliases=())
    assert after == wanted


def test_encoded_data_are_not_edited() -> None:
    """Nothing is replaced that doesn't stand there as it is."""
    twice = instances.made().user_data + instances.yaml_data()
    with pytest.raises(PostolkaError, match="encoded"):
        Editable(twice, where="test")


def test_serials_rise() -> None:
    """By the day, and above what there was."""
    today = editing.new_serial()
    assert len(str(today)) == 10
    assert editing.new_serial(today) == today + 1
    assert editing.new_serial(99 * today) == 99 * today + 1
