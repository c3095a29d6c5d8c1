"""Change the DKIM keys of an instance's data, a step at a time, so that no signature ever fails.

    1  make a successor of each signing key; it is published, and signs nothing yet   (next)
    2  let the successors sign; the old keys stay published                           (retired)
    3  take the old keys away, once no mail signed by them is under way

Which step is due can be seen in the data. Only what changes is written anew: the document's
comments and order stay. Pure: no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from postolka.instance import dkim, editing
from postolka.instance.editing import Editable
from postolka.instance.parse import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    import yaml

    from postolka.instance.editing import Edit
    from postolka.instance.model import Instance

    #: What changes, and the line that says it.
    _Change = tuple[list[Edit], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """The data after one step."""

    data: bytes
    instance: Instance
    done: tuple[str, ...]
    """What has changed, a line for each key."""
    advice: str
    """What to do next."""


_ADVICE = {
    "next": "publish the records, give the machine the data; a day later run this again",
    "active": "give the machine the data; a week later, when no old mail is left, run this again",
    "gone": "give the machine the data, and publish the records: the old ones are not among them",
}


def rotate(data: bytes, *, where: str, serial: int) -> Rotated:
    """Take the step that is due in `data`, user-data or the document alone.

    The new serial is `serial`, or the old one's successor where that is higher. Raises
    ProblemsError for data that aren't valid, PostolkaError where they can't be edited.
    """
    instance = parse(data, where=where)
    old = Editable(data, where=where)
    roles = {key.role for domain in instance.domains for key in domain.dkim}
    step = "active" if "next" in roles else "gone" if "retired" in roles else "next"
    steps = {"next": _add, "active": _promote, "gone": _remove}
    changes = [
        (edits, said)
        for domain, keys in _key_lists(old.root)
        for edits, said in steps[step](old.text, domain, keys)
    ]
    edits = [edit for found, _ in changes for edit in found]
    new = old.changed(edits, serial=max(serial, instance.serial + 1))
    return Rotated(
        data=new,
        instance=parse(new, where=where),
        done=tuple(said for _, said in changes),
        advice=_ADVICE[step],
    )


def _add(text: str, domain: str, keys: yaml.SequenceNode) -> Iterator[_Change]:
    """Append a successor for each algorithm that signs."""
    signing = {_value(key, "algorithm") for key in keys.value if _role(key) == "active"}
    made = [key for key in dkim.new_keys() if key["algorithm"] in signing]
    yield (
        [editing.append(text, keys, [{**key, "role": "next"} for key in made])],
        ", ".join(f"{domain}: new key {item['selector']}, published first" for item in made),
    )


def _promote(text: str, domain: str, keys: yaml.SequenceNode) -> Iterator[_Change]:
    """Let each `next` key sign in place of the ones of its algorithm that do."""
    coming = {_value(key, "algorithm") for key in keys.value if _role(key) == "next"}
    for key in keys.value:
        selector, role = _value(key, "selector"), _role(key)
        if role == "next":
            edit = editing.with_field(text, key, "role", "active")
            yield [edit], f"{domain}: {selector} signs"
        elif role == "active" and _value(key, "algorithm") in coming:
            edit = editing.with_field(text, key, "role", "retired")
            yield [edit], f"{domain}: {selector} signs no more"


def _remove(text: str, domain: str, keys: yaml.SequenceNode) -> Iterator[_Change]:
    """Take the `retired` keys away."""
    gone = [number for number, key in enumerate(keys.value) if _role(key) == "retired"]
    selectors = (_value(keys.value[number], "selector") for number in gone)
    if gone:
        said = ", ".join(f"{domain}: {selector} is gone" for selector in selectors)
        yield editing.removed(text, keys, gone), said


def _key_lists(root: yaml.MappingNode) -> Iterator[tuple[str, yaml.SequenceNode]]:
    for name, domain in editing.child(root, "domains").value:
        yield name.value, editing.child(domain, "dkim")


def _value(node: yaml.MappingNode, name: str) -> str:
    return str(editing.child(node, name).value)


def _role(key: yaml.MappingNode) -> str:
    found = editing.child(key, "role")
    return "active" if found is None else str(found.value)
