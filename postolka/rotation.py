"""Change the DKIM keys of an instance's data, a step at a time, so that no signature ever fails.

    1  make a successor of each signing key; it is published, and signs nothing yet   (next)
    2  let the successors sign; the old keys stay published                           (retired)
    3  take the old keys away, once no mail signed by them is under way

Which step is due can be seen in the data. Only what changes is written anew: the document's
comments and order stay. Pure: no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from postolka.errors import PostolkaError
from postolka.instance import dkim, document
from postolka.instance.parse import parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from postolka.instance.model import Instance


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """The data after one step."""

    data: bytes
    instance: Instance
    done: tuple[str, ...]
    """What has changed, a line for each key."""
    advice: str
    """What to do next."""


@dataclass(frozen=True, slots=True)
class _Edit:
    """Text to stand in place of what is between two positions."""

    start: int
    end: int
    text: str


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
    old = document.part(data, where=where)
    if data.count(old) != 1:
        hint = "write the part without an encoding, or give the YAML document alone"
        raise PostolkaError(where, "its instance data are encoded", hint=hint)
    text = old.decode("utf-8")
    roles = {key.role for domain in instance.domains for key in domain.dkim}
    step = "active" if "next" in roles else "gone" if "retired" in roles else "next"
    steps = {"next": _add, "active": _promote, "gone": _remove}
    root: Any = yaml.compose(text, yaml.SafeLoader)
    changes = [
        (edits, said)
        for domain, keys in _key_lists(root)
        for edits, said in steps[step](text, domain, keys)
    ]
    number = max(serial, instance.serial + 1)
    edits = [_replaced(_child(root, "serial"), str(number))]
    edits += [edit for found, _ in changes for edit in found]
    new = data.replace(old, _applied(text, edits).encode("utf-8"))
    return Rotated(
        data=new,
        instance=parse(new, where=where),
        done=tuple(said for _, said in changes),
        advice=_ADVICE[step],
    )


def _add(text: str, domain: str, keys: yaml.SequenceNode) -> Iterator[tuple[list[_Edit], str]]:
    """Append a successor for each algorithm that signs."""
    signing = {_value(key, "algorithm") for key in keys.value if _role(key) == "active"}
    made = [key for key in dkim.new_keys() if key["algorithm"] in signing]
    fields = [{**key, "role": "next"} for key in made]
    if keys.flow_style:
        items = ", ".join(_flow(item) for item in fields)
        edits = [_Edit(keys.end_mark.index - 1, keys.end_mark.index - 1, f", {items}")]
    else:
        last = keys.value[-1]
        dash = " " * (_dash(text, last) - _line_start(text, _dash(text, last)))
        block = "".join(
            f"{dash}- " + f"\n{dash}  ".join(f"{name}: {value}" for name, value in item.items())
            + "\n"
            for item in fields
        )  # fmt: skip
        end = _line_end(text, _end(last))
        edits = [_Edit(end, end, block if text[:end].endswith("\n") else f"\n{block}")]
    yield (
        edits,
        ", ".join(f"{domain}: new key {item['selector']}, published first" for item in made),
    )


def _promote(text: str, domain: str, keys: yaml.SequenceNode) -> Iterator[tuple[list[_Edit], str]]:
    """Let each `next` key sign in place of the ones of its algorithm that do."""
    coming = {_value(key, "algorithm") for key in keys.value if _role(key) == "next"}
    for key in keys.value:
        selector, role = _value(key, "selector"), _role(key)
        if role == "next":
            yield [_with_role(text, key, "active")], f"{domain}: {selector} signs"
        elif role == "active" and _value(key, "algorithm") in coming:
            yield [_with_role(text, key, "retired")], f"{domain}: {selector} signs no more"


def _remove(text: str, domain: str, keys: yaml.SequenceNode) -> Iterator[tuple[list[_Edit], str]]:
    """Take each `retired` key away."""
    for number, key in enumerate(keys.value):
        if _role(key) != "retired":
            continue
        if keys.flow_style:
            is_last = number + 1 == len(keys.value)
            start = keys.value[number - 1].end_mark.index if is_last else key.start_mark.index
            end = key.end_mark.index if is_last else keys.value[number + 1].start_mark.index
        else:
            start = _line_start(text, _dash(text, key))
            end = _line_end(text, _end(key))
        yield [_Edit(start, end, "")], f"{domain}: {_value(key, 'selector')} is gone"


def _with_role(text: str, key: yaml.MappingNode, role: str) -> _Edit:
    for name, value in key.value:
        if name.value == "role":
            return _replaced(value, role)
    if key.flow_style:
        return _Edit(key.end_mark.index - 1, key.end_mark.index - 1, f", role: {role}")
    end = _line_end(text, _end(key))
    line = f"{' ' * key.value[0][0].start_mark.column}role: {role}\n"
    return _Edit(end, end, line if text[:end].endswith("\n") else f"\n{line}")


def _key_lists(root: yaml.MappingNode) -> Iterator[tuple[str, yaml.SequenceNode]]:
    for name, domain in _child(root, "domains").value:
        yield name.value, _child(domain, "dkim")


def _child(node: yaml.MappingNode, name: str) -> Any:  # noqa: ANN401 - any kind of node
    """Return a field's value; the document is known to have it."""
    return next(value for key, value in node.value if key.value == name)


def _value(node: yaml.MappingNode, name: str) -> str:
    return str(_child(node, name).value)


def _role(key: yaml.MappingNode) -> str:
    return next((str(value.value) for name, value in key.value if name.value == "role"), "active")


def _replaced(node: yaml.Node, text: str) -> _Edit:
    return _Edit(node.start_mark.index, node.end_mark.index, text)


def _end(item: yaml.MappingNode) -> int:
    """Return where the item's last value ends; a block's own mark is behind what follows it."""
    if item.flow_style:
        return int(item.end_mark.index)
    return int(item.value[-1][1].end_mark.index)


def _dash(text: str, item: yaml.Node) -> int:
    return text.rindex("-", 0, item.start_mark.index)


def _line_start(text: str, position: int) -> int:
    return text.rfind("\n", 0, position) + 1


def _line_end(text: str, position: int) -> int:
    """Return where the next line begins."""
    found = text.find("\n", position)
    return len(text) if found < 0 else found + 1


def _flow(item: dict[str, str]) -> str:
    return "{" + ", ".join(f"{name}: {value}" for name, value in item.items()) + "}"


def _applied(text: str, edits: Iterable[_Edit]) -> str:
    for edit in sorted(edits, key=lambda edit: edit.start, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text
