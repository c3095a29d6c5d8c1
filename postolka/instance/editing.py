"""Change instance data as text: only what changes is written anew, comments and order stay.

Pure but for the clock that `new_serial` reads.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from postolka.errors import PostolkaError
from postolka.instance import document

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    Item = yaml.Node | tuple[yaml.Node, yaml.Node]


@dataclass(frozen=True, slots=True)
class Edit:
    """Text to stand in place of what is between two positions."""

    start: int
    end: int
    text: str


class Editable:
    """Valid user-data, or a valid document alone, whose document is edited."""

    def __init__(self, data: bytes, *, where: str) -> None:
        """Raise PostolkaError where the document doesn't stand there as it is."""
        old = document.part(data, where=where)
        if data.count(old) != 1:
            hint = "write the part without an encoding, or give the YAML document alone"
            raise PostolkaError(where, "its instance data are encoded", hint=hint)
        self._data, self._old = data, old
        self.text = old.decode("utf-8")
        self.root: Any = yaml.compose(self.text, yaml.SafeLoader)

    def changed(self, edits: Iterable[Edit], *, serial: int) -> bytes:
        """Return the data with `edits` and another serial."""
        edits = [*edits, self._numbered(serial)]
        text = self.text
        for edit in sorted(edits, key=lambda edit: edit.start, reverse=True):
            text = text[: edit.start] + edit.text + text[edit.end :]
        return self._data.replace(self._old, text.encode("utf-8"))

    def _numbered(self, serial: int) -> Edit:
        found = child(self.root, "serial")
        if found is not None:
            return replaced(found, str(serial))
        begin = self.root.start_mark.index
        if self.root.flow_style:
            return Edit(begin + 1, begin + 1, f'"serial": {serial}, ')
        return Edit(begin, begin, f"serial: {serial}\n")


def new_serial(old: int = 0) -> int:
    """Return a serial above `old`: as in zone files the day, and room for 99 changes on it."""
    return max(int(time.strftime("%Y%m%d01", time.gmtime())), old + 1)


def add_domain(data: Editable, name: str, keys: Iterable[Mapping[str, str]]) -> list[Edit]:
    """Return the edits that add a domain with its DKIM keys."""
    domains = child(data.root, "domains")
    if domains.flow_style:
        text = f"{flow(name)}: {flow({'dkim': list(keys)})}"
        return [_appended(domains, text)]
    indent = " " * domains.value[0][0].start_mark.column
    lines = [f'{indent}"{name}":\n', f"{indent}  dkim:\n", block(keys, f"{indent}    ")]
    return [after(data.text, domains.value[-1], "".join(lines))]


def remove_domain(data: Editable, name: str) -> list[Edit]:
    """Return the edits that take a domain away, with the accounts and aliases that are in it."""
    domains = child(data.root, "domains")
    gone = [number for number, (key, _) in enumerate(domains.value) if key.value == name]
    edits = removed(data.text, domains, gone)
    fields = []
    for number, (key, items) in enumerate(data.root.value):
        if key.value not in ("accounts", "aliases"):
            continue
        gone = [
            number
            for number, item in enumerate(items.value)
            if child(item, "address").value.rpartition("@")[2] == name
        ]
        if gone and len(gone) == len(items.value):
            fields.append(number)
        else:
            edits += removed(data.text, items, gone)
    return [*edits, *removed(data.text, data.root, fields)]


def child(node: yaml.MappingNode, name: str) -> Any:  # noqa: ANN401 - any kind of node
    """Return a field's value; None where there is no such field."""
    return next((value for key, value in node.value if key.value == name), None)


def replaced(node: yaml.Node, text: str) -> Edit:
    """Put `text` in a value's place."""
    return Edit(node.start_mark.index, node.end_mark.index, text)


def append(text: str, items: yaml.SequenceNode, new: Iterable[Mapping[str, str]]) -> Edit:
    """Put more mappings at the end of a list that has some."""
    if items.flow_style:
        return _appended(items, ", ".join(map(flow, new)))
    last = items.value[-1]
    dash = _dash(text, last)
    return after(text, last, block(new, " " * (dash - _line_start(text, dash))))


def after(text: str, item: Item, lines: str) -> Edit:
    """Put lines after an item of a block."""
    end = _line_end(text, _end(item))
    return Edit(end, end, lines if text[:end].endswith("\n") else f"\n{lines}")


def removed(text: str, node: yaml.CollectionNode, gone: Collection[int]) -> list[Edit]:
    """Take items, by their numbers, out of a list or a mapping; of a block some have to stay."""
    items = node.value
    if not node.flow_style:
        spans = [
            (_line_start(text, _start(items[number])), _line_end(text, _end(items[number])))
            for number in gone
        ]
        return [Edit(start, end, "") for start, end in spans]
    kept = [number for number in range(len(items)) if number not in gone]
    if not kept:
        return [Edit(_start(items[0]), _end(items[-1]), "")] if items else []
    # With the comma before it, or after it where nothing stays before it.
    return [
        Edit(_end(items[number - 1]), _end(items[number]), "")
        if number > kept[0]
        else Edit(_start(items[number]), _start(items[number + 1]), "")
        for number in gone
    ]


def block(items: Iterable[Mapping[str, str]], indent: str) -> str:
    """Return mappings as the lines of a list."""
    return "".join(
        f"{indent}- " + f"\n{indent}  ".join(f"{name}: {value}" for name, value in item.items())
        + "\n"
        for item in items
    )  # fmt: skip


def flow(value: object) -> str:
    """Return a value for a line of YAML, or of JSON."""
    return json.dumps(value)


def with_field(text: str, item: yaml.MappingNode, name: str, value: str) -> Edit:
    """Set a field of a mapping that is an item of a list."""
    found = child(item, name)
    if found is not None:
        return replaced(found, value)
    if item.flow_style:
        return _appended(item, f"{flow(name)}: {flow(value)}")
    return after(text, item, f"{' ' * item.value[0][0].start_mark.column}{name}: {value}\n")


def _appended(node: yaml.CollectionNode, text: str) -> Edit:
    """Put one more item at the end of a list or mapping on a line."""
    last = _end(node.value[-1])
    return Edit(last, last, f", {text}")


def _start(item: Item) -> int:
    return int((item[0] if isinstance(item, tuple) else item).start_mark.index)


def _end(item: Item) -> int:
    """Return where the item's last value ends; a block's own mark is behind what follows it."""
    node = item[1] if isinstance(item, tuple) else item
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        return _end(node.value[-1])
    return int(node.end_mark.index)


def _dash(text: str, item: yaml.Node) -> int:
    return text.rindex("-", 0, item.start_mark.index)


def _line_start(text: str, position: int) -> int:
    return text.rfind("\n", 0, position) + 1


def _line_end(text: str, position: int) -> int:
    """Return where the next line begins; a text of several lines ends there already."""
    if text[:position].endswith("\n"):
        return position
    found = text.find("\n", position)
    return len(text) if found < 0 else found + 1
