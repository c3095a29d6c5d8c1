"""The state of files, links and directories, all of a room in one command."""

from __future__ import annotations

import shlex

from pyinfra.api.facts import FactBase

from pyinfra_deploys.tree import Seen, beneath

_KINDS = {"f": "file", "l": "link", "d": "directory"}


class Tree(FactBase[dict[str, Seen]]):
    """The state of each of `paths` that exists; links aren't followed.

    Something that is neither a file, a link nor a directory is reported with find's own letter.
    """

    default = dict

    def command(self, paths: list[str]) -> str:
        """Take absolute paths without blanks or newlines."""
        words = " ".join(shlex.quote(path) for path in paths)
        # The loop is of shell builtins: two processes, however many files.
        return beneath(
            f'set --; for path in {words}; do if [ -e "$path" ] || [ -h "$path" ]; '
            'then set -- "$@" "$path"; fi; done; if [ $# -gt 0 ]; then '
            r"""find "$@" -maxdepth 0 -printf '%y %m %u %g %p %l\n' && """
            'find "$@" -maxdepth 0 -type f -exec sha256sum {} +; fi'
        )

    def process(self, output: list[str]) -> dict[str, Seen]:
        """Return the states by path; a file whose hash is missing has an empty one."""
        found: dict[str, Seen] = {}
        digests: dict[str, str] = {}
        for line in output:
            digest, _, path = line.partition("  ")
            if len(digest) == 64 and path in found:  # noqa: PLR2004 - hex digits of SHA-256
                digests[path] = digest
                continue
            words = line.split(" ", 5)
            if len(words) == 6:  # noqa: PLR2004 - as printed above
                kind, mode, user, group, path, target = words
                is_link = kind == "l"
                found[path] = Seen(
                    kind=_KINDS.get(kind, kind),
                    mode=0 if is_link else int(mode, 8),
                    user=user,
                    group=group,
                    content=target,
                )
        return {
            path: state if state.kind != "file" else _with(state, digests.get(path, ""))
            for path, state in found.items()
        }


def _with(state: Seen, content: str) -> Seen:
    return Seen(
        kind=state.kind, mode=state.mode, user=state.user, group=state.group, content=content
    )
