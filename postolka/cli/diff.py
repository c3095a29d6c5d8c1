"""`postolka diff`: what differs between the contents of two images."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from postolka import build, diff, home
from postolka.debs import Debs
from postolka.errors import PostolkaError
from postolka.store import Store

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator

_SHOWN = 40
_TEMPLATE = Path(__file__).resolve().parent / "diff.html.j2"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("a", metavar="A", help="an image: an id or a store path")
    parser.add_argument("b", metavar="B", help="the other one")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write one page into FILE, too")
    parser.add_argument("--all", action="store_true", help="show every line of long lists")
    parser.add_argument("--json", action="store_true")


def run(arguments: argparse.Namespace) -> int:
    """Print the differences; exit code 3 where there are any."""
    first, last = build.named(arguments.a), build.named(arguments.b)
    found = diff.diff(Store(home.store()), Debs(home.debs()), first, last, _say)
    if arguments.html:
        _write_page(arguments.html, found)
    if arguments.json:
        print(json.dumps(found))
    else:
        print("\n".join(told(found, everything=arguments.all)))
    return 0 if diff.is_empty(found) else 3


def told(found: dict[str, Any], *, everything: bool) -> Iterator[str]:
    """Yield the differences as lines of text."""
    if diff.is_empty(found):
        yield "no differences"
        return
    yield f"A {found['a']}"
    yield f"B {found['b']}"
    for title, lines in sections(found):
        if lines:
            yield f"\n{title}: {len(lines)}"
            shown = lines if everything else lines[:_SHOWN]
            yield from (f"  {line}" for line in shown)
            if len(shown) < len(lines):
                yield f"  and {len(lines) - len(shown)} more: --all shows them"


def sections(found: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Return title and lines of each kind of difference."""
    changed = {row["name"] for row in found["packages"]}
    own = [row for row in found["files"] if row["package"] not in changed]
    others = len(found["files"]) - len(own)
    lines = [_file(row) for row in own]
    lines += [f"{others} files of the packages above"] if others else []
    return [
        ("packages", [line for row in found["packages"] for line in package(row)]),
        ("files", lines),
        ("SELinux labels", [f"{row['path']}: {row['a']} -> {row['b']}" for row in found["labels"]]),
        ("units", [_unit(row) for row in found["units"]]),
        ("ports", list(_signed(found["ports"], _port))),
        ("flows to the outside", list(_signed(found["egress"], _flow))),
        ("SELinux rules", list(_signed(found["rules"], str))),
        ("sizes", [_size(row) for row in found["sizes"]]),
    ]


def package(row: dict[str, Any]) -> Iterator[str]:
    """Yield the lines about one package that differs."""
    versions = {"added": row["b"], "removed": row["a"]}
    version = versions.get(row["change"], f"{row['a']} -> {row['b']}")
    yield f"{row['name']} {row['change']}: {version} ({', '.join(row['sets'])})"
    if row["cves"]:
        yield f"    {' '.join(row['cves'])}"
    for entry in row["changelog"]:
        yield from (f"    | {line}" for line in entry["text"].splitlines())


def _file(row: dict[str, Any]) -> str:
    said = []
    for what in row["what"]:
        field = {"content": "size", "mode": "mode", "owner": "owner"}.get(what)
        before, after = row[field] if field else (None, None)
        said.append(what if before == after else f"{what} ({field} {before} -> {after})")
    return f"{row['path']}: {', '.join(said)}"


def _unit(row: dict[str, Any]) -> str:
    if row["a"] == row["b"]:
        return f"{row['name']}: changed, {row['b']}"
    changed = ", changed" if row["is_changed"] else ""
    return f"{row['name']}: {row['a'] or 'none'} -> {row['b'] or 'none'}{changed}"


def _port(row: dict[str, Any]) -> str:
    public = "public" if row["is_public"] else "loopback"
    return f"{row['number']}/{row['protocol']} {row['name']} ({public})"


def _flow(row: dict[str, Any]) -> str:
    return f"{row['user']} to {row['port']}/{row['protocol']}: {row['why']}"


def _size(row: dict[str, Any]) -> str:
    before, after = ("none" if row[side] is None else f"{row[side]:,} bytes" for side in "ab")
    return f"{row['layer']}: {before} -> {after}"


def _signed(sides: dict[str, Iterable[Any]], show: Any) -> Iterator[str]:  # noqa: ANN401 - str or a row's
    for mark, side in (("+", "added"), ("-", "removed")):
        yield from (f"{mark} {show(row)}" for row in sides[side])


def _write_page(path: Path, found: dict[str, Any]) -> None:
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 - it costs 0.1 s

    page = Environment(autoescape=True, undefined=StrictUndefined).from_string(
        _TEMPLATE.read_text(encoding="utf-8")
    )
    if not path.parent.is_dir():
        raise PostolkaError(str(path.parent), "no such directory")
    text = page.render(found=found, sections=[part for part in sections(found) if part[1]])
    path.write_text(text, encoding="utf-8")


def _say(line: str) -> None:
    print(line, file=sys.stderr)
