"""The public suffix list: where an organisation's domain begins (RFC 7489, 3.2).

Pure: no I/O. https://github.com/publicsuffix/list/wiki/Format
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def read(lines: Iterable[str]) -> frozenset[str]:
    """Return the rules of a list, as they stand in it."""
    words = (line.split() for line in lines)
    return frozenset(word[0].lower() for word in words if word and not word[0].startswith("//"))


def organisation(domain: str, rules: frozenset[str]) -> str:
    """Return the name that an organisation registered of `domain`; a bare suffix is returned as is.

    So is a name that no rule fits, as OpenDMARC has it.
    """
    labels = domain.lower().rstrip(".").split(".")
    for start in range(len(labels)):
        name = ".".join(labels[start:])
        wild = ".".join(["*", *labels[start + 1 :]])
        if f"!{name}" in rules:
            return name
        if name in rules or wild in rules:
            return ".".join(labels[max(start - 1, 0) :])
    return ".".join(labels)
