"""What SELinux has refused, as a log tells it."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import NamedTuple

#: Shell: prints every denial since the machine's first boot, and whether the kernel has lost any.
QUESTION = "journalctl --quiet --output=cat --grep='avc:  denied|audit_lost' || true"


class Denial(NamedTuple):
    """One kind of them: types, class, permissions in one string, the program's name."""

    source: str
    target: str
    kind: str
    permissions: str
    program: str


class Harmless(NamedTuple):
    """Kinds that may be refused, and why nothing is missing then. Patterns as of a shell.

    A target of "self" is the source.
    """

    source: str
    target: str
    kind: str
    permissions: str
    why: str

    def has(self, denial: Denial) -> bool:
        """Say whether it is one of these."""
        target = denial.source if self.target == "self" else self.target
        return (
            fnmatchcase(denial.source, self.source)
            and fnmatchcase(denial.target, target)
            and denial.kind == self.kind
            and set(denial.permissions.split()) <= set(self.permissions.split())
        )


def kinds(said: str, *, but: str = "") -> list[Denial]:
    """Return each kind of denial once, but those of one program.

    Fails where the kernel has lost some.
    """
    assert "lost" not in said
    found = {_kind(line) for line in said.splitlines() if "avc:  denied" in line}
    return sorted(denial for denial in found if not but or denial.program != but)


def _kind(line: str) -> Denial:
    words = dict(word.split("=", 1) for word in line.split() if "=" in word)
    source, target = (words[name].split(":")[2] for name in ("scontext", "tcontext"))
    permissions = line.partition("{")[2].partition("}")[0].strip()
    return Denial(source, target, words["tclass"], permissions, words.get("comm", "").strip('"'))


def unexplained(found: list[Denial], reviewed: tuple[Harmless, ...]) -> list[Denial]:
    """Return the denials that the list doesn't have."""
    return [denial for denial in found if not any(item.has(denial) for item in reviewed)]
