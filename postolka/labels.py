"""Which SELinux label a policy's file_contexts give a path. Pure: no I/O.

As selabel_lookup(3): a specification without a metacharacter wins, otherwise the last that matches.
"""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_META = re.compile(r"(?<!\\)[.^$?*+|\[({]")
_TYPES = {
    "--": stat.S_IFREG, "-d": stat.S_IFDIR, "-l": stat.S_IFLNK, "-c": stat.S_IFCHR,
    "-b": stat.S_IFBLK, "-s": stat.S_IFSOCK, "-p": stat.S_IFIFO,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Specification:
    pattern: re.Pattern[str]
    stem: str
    """What every path that matches begins with."""
    is_literal: bool
    kind: int
    """The only type of file that it is for; 0: all."""
    label: str

    def is_for(self, path: str, mode: int) -> bool:
        if self.kind and stat.S_IFMT(mode) != self.kind:
            return False
        return path.startswith(self.stem) and bool(self.pattern.fullmatch(path))


class Labels:
    """The labels of one policy: its file_contexts files' lines in order, and its aliases."""

    def __init__(self, lines: Iterable[str], aliases: Iterable[str] = ()) -> None:
        self.lines = [line for line in map(str.strip, lines) if line and line[0] != "#"]
        found = [_parse(line) for line in self.lines]
        # Literal ones are looked at first; of each kind the last one counts.
        self._found = [one for one in reversed(found) if one.is_literal]
        self._found += [one for one in reversed(found) if not one.is_literal]
        words = [line.split() for line in aliases]
        self.aliases = dict(pair for pair in words if len(pair) == 2 and pair[0][0] != "#")  # noqa: PLR2004

    def of(self, path: str, mode: int) -> str:
        """Return the label of an absolute path; empty where the policy gives none."""
        for alias, target in self.aliases.items():
            if path == alias or path.startswith(f"{alias}/"):
                path = target + path[len(alias) :]
                break
        for one in self._found:
            if one.is_for(path, mode):
                return "" if one.label == "<<none>>" else one.label
        return ""


def differences(old: Labels, new: Labels, modes: Mapping[str, int]) -> dict[str, tuple[str, str]]:
    """Return the labels by both policies of each path in `modes` whose label differs."""
    # Where no changed specification matches, the same one wins in both.
    changed = [_parse(line) for line in set(old.lines) ^ set(new.lines)]
    is_aliased = old.aliases != new.aliases
    found = {}
    for path, mode in modes.items():
        if is_aliased or any(one.is_for(path, mode) for one in changed):
            labels = old.of(path, mode), new.of(path, mode)
            if labels[0] != labels[1]:
                found[path] = labels
    return found


def _parse(line: str) -> _Specification:
    words = line.split()
    expression, label = words[0], words[-1]
    meta = _META.search(expression)
    stem = expression[: meta.start()] if meta else expression
    if meta and meta.group() in "?*{":
        stem = stem[:-1]  # what stands before may be there or not
    if "|" in expression and "(" not in stem and _is_split(expression):
        stem = ""
    return _Specification(
        pattern=re.compile(expression),
        stem="" if stem.endswith("\\") else re.sub(r"\\(.)", r"\1", stem),
        is_literal=meta is None,
        kind=_TYPES.get(words[1], 0) if len(words) > 2 else 0,  # noqa: PLR2004
        label=label,
    )


def _is_split(expression: str) -> bool:
    """Whether alternatives stand outside all parentheses."""
    depth = 0
    for character in expression:
        depth += (character == "(") - (character == ")")
        if character == "|" and not depth:
            return True
    return False
