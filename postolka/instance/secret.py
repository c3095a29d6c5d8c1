"""Texts that stay out of logs. Pure: no I/O."""

from __future__ import annotations


class Secret(str):
    """A text that never shows in a repr, so that neither a traceback nor a log holds it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"
