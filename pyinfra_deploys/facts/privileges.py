"""Programs that run with the rights of their file's owner or group, whoever starts them."""

from __future__ import annotations

import shlex

from pyinfra.api.facts import FactBase


class Privileges(FactBase[dict[str, bool]]):
    """Whether a program has a set-user-ID or set-group-ID bit, by its path.

    All that have one, on the file system of /usr, and each of `programs`.
    """

    default = dict

    def command(self, programs: list[str]) -> str:
        """Take absolute paths."""
        words = " ".join(shlex.quote(program) for program in programs)
        return (
            f"for program in {words}; do "
            'test -u "$program" -o -g "$program" || printf "without %s\\n" "$program"; done; '
            'find /usr -xdev -type f -perm /6000 -printf "with %p\\n"'
        )

    def process(self, output: list[str]) -> dict[str, bool]:
        """Return which have one."""
        words = (line.partition(" ") for line in output if line)
        return {path: word == "with" for word, _, path in words}
