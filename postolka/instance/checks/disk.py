"""Space and inodes of the file system that holds all mail and state."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from postolka.errors import Problem
from postolka.instance.checks.check import Check, Figure

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_MIB = 1 << 20
#: Postfix takes mail only while there is room for half as much again as its largest
#: (queue_minfree), else it answers 452.
_ROOM = 1.5
_PERCENT = 100


def check(directory: Path, settings: Mapping[str, Any]) -> Check:
    """Judge the file system of `directory`."""
    return judge(os.statvfs(directory), settings)


def judge(space: os.statvfs_result, settings: Mapping[str, Any]) -> Check:
    """Judge by the settings of the house."""
    least = settings["status"]["disk_percent"]
    size, free = space.f_blocks * space.f_frsize, space.f_bavail * space.f_frsize
    # Some file systems make inodes as they are needed, and say 0.
    has_inodes = space.f_files > 0
    shares = {"space": free / size}
    if has_inodes:
        shares["inodes"] = space.f_favail / space.f_files
    problems = []
    if free < _ROOM * settings["postfix"]["message_size_limit_mib"] * _MIB:
        problems.append(Problem("disk", f"{free // _MIB} MiB are free; mail is put off with 452"))
    if has_inodes and not space.f_favail:
        problems.append(Problem("disk", "no inode is free; mail is put off"))
    warnings = [
        Problem("disk", f"{int(share * _PERCENT)} % of its {name} left, less than {least}")
        for name, share in shares.items()
        if share * _PERCENT < least and not problems
    ]
    figures = [
        Figure(name="state_size_bytes", value=size),
        Figure(name="state_free_bytes", value=free),
    ]
    if has_inodes:
        figures.append(Figure(name="state_inodes", value=space.f_files))
        figures.append(Figure(name="state_free_inodes", value=space.f_favail))
    free_text = ", ".join(f"{int(share * _PERCENT)} % of {name}" for name, share in shares.items())
    return Check(
        name="disk",
        text=f"{free // _MIB} of {size // _MIB} MiB free ({free_text})",
        problems=tuple(problems),
        warnings=tuple(warnings),
        figures=tuple(figures),
    )
