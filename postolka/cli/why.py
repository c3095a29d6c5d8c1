"""`postolka why`: which input made an image, or tells two images apart."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from postolka import build, generation, papers, why

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from postolka.build import Built
    from postolka.why import Difference, Node

_SHORT = 16


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("a", nargs="?", metavar="A", help="another image, to compare with")
    parser.add_argument("b", metavar="B", help="an image: an id or a store path")
    parser.add_argument("--all", action="store_true", help="show every file, setting and package")
    parser.add_argument("--json", action="store_true")


def run(arguments: argparse.Namespace) -> int:
    """Print the tree of B, or what differs; exit code 3 where something does."""
    last = build.named(arguments.b)
    if arguments.a is None:
        node = why.tree(generation.manifest(last.path), papers.read(last.path))
        if arguments.json:
            print(json.dumps(node.as_data()))
        else:
            print("\n".join(_lines(node, everything=arguments.all)))
        return 0
    first = build.named(arguments.a)
    found = _difference(first, last)
    if arguments.json:
        print(json.dumps(_public(first, last, found)))
    else:
        print("\n".join(_told(first, last, found, everything=arguments.all)))
    return 0 if first.id == last.id else 3


def _difference(first: Built, last: Built) -> Difference:
    return why.difference(
        (generation.manifest(first.path), generation.manifest(last.path)),
        (papers.read(first.path), papers.read(last.path)),
    )


def _public(first: Built, last: Built, found: Difference) -> dict[str, Any]:
    return {
        "a": first.id,
        "b": last.id,
        "inputs": list(found.inputs),
        "changes": [asdict(change) for change in found.changes],
        "layers": {"shared": list(found.shared), **found.made},
    }


def _lines(node: Node, *, everything: bool, before: str = "") -> Iterator[str]:
    if not before:
        yield f"{node.name} {node.value}"
    for child in node.children:
        is_last = child is node.children[-1]
        count = f"  ({len(child.children)})" if child.children else ""
        yield f"{before}{'└─ ' if is_last else '├─ '}{child.name}  {child.value[:_SHORT]}{count}"
        holds_leaves = child.children and not child.children[0].children
        if everything or not holds_leaves or child.name == "layers":
            deeper = "   " if is_last else "│  "
            yield from _lines(child, everything=everything, before=before + deeper)


def _told(first: Built, last: Built, found: Difference, *, everything: bool) -> Iterator[str]:
    if first.id == last.id:
        yield f"{first.id}: both are the same image"
        return
    yield f"A {first.id}"
    yield f"B {last.id}"
    for name in found.inputs:
        yield f"{name}:"
        group = ""
        for change in found.changes:
            if change.input != name:
                continue
            if change.group != group:
                group = change.group
                yield f"   {group}"
            yield f"      {change.name}: {_value(change.a)} -> {_value(change.b)}"
    for title, names in (("only in A", found.made["a"]), ("only in B", found.made["b"])):
        yield f"layers {title}: {', '.join(_kinds(names)) or '-'}"
    yield f"layers of both: {', '.join(_kinds(found.shared)) or '-'}"
    if everything:
        yield from (f"   {name}" for name in found.shared)


def _kinds(names: Sequence[str]) -> list[str]:
    return sorted(name.partition("-")[2] for name in names)


def _value(value: str | None) -> str:
    return "none" if value is None else value[:40] if " " in value else value[:_SHORT]
