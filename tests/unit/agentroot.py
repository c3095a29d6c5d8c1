"""A small machine in a directory, for the agent; run as a program it boots one.

`python -m tests.unit.agentroot ROOT [STOP]` boots the agent and prints how many events Python's
audit hooks saw; with STOP it kills itself with SIGKILL at that event.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from postolka.instance import agent
from postolka.instance.paths import Paths

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: What the agent does to the file system is among these.
_EVENTS = ("open", "os.", "fcntl.")

_TEMPLATES = {
    "etc/postfix/main.cf": "myhostname = {{ instance.hostname }}\n",
    "etc/postfix/sub/db.cf": "password = {{ instance.database.postfix }}\n",
    "etc/bind/rndc.key": 'secret "{{ machine.rndc_key }}";\n',
    "etc/postolka/flows.nft": "{{ instance.database.host }} {{ instance.database.port }}",
    "etc/mailname": "{{ instance.domain }} {{ settings.base.x }}\n",
}


@dataclass
class Recorder:
    """A System that only notes what it is told."""

    bound: dict[Path, Path] = field(default_factory=dict)
    hostname: str = ""
    flows: str = ""
    told: list[tuple[str, str]] = field(default_factory=list)

    def ids(self, user: str, group: str) -> tuple[int, int]:
        """Everything belongs to whoever runs the test."""
        assert user
        assert group
        return os.getuid(), os.getgid()

    def is_bound(self, target: Path) -> bool:
        """Look into what `bind` noted."""
        return target in self.bound

    def bind(self, source: Path, target: Path) -> None:
        """Note it; the root itself is shown by a link."""
        self.bound[target] = source
        if target.name == "lower":
            target.rmdir()
            target.symlink_to(source)

    def unbind(self, target: Path) -> None:
        """Undo `bind`."""
        del self.bound[target]
        target.unlink()

    def relabel(self, paths: Sequence[Path]) -> None:
        """There are no labels."""

    def set_hostname(self, name: str) -> None:
        """Note it."""
        self.hostname = name

    def load_flows(self, rules: str) -> None:
        """Note it."""
        self.flows = rules

    def check(self, argv: Sequence[str], shown: Mapping[Path, Path]) -> str:
        """Look for a word in the directory that is shown as /etc/postfix."""
        (place,) = (source for source, target in shown.items() if target.match("etc/postfix"))
        return "wrong" if argv[0] in (place / "main.cf").read_text() else ""

    def tell(self, verb: str, units: Sequence[str]) -> None:
        """Note it."""
        self.told += [(verb, unit) for unit in units]

    def say(self, text: str) -> None:
        """Nobody listens."""


def make(root: Path) -> Paths:
    """Make what the image has."""
    paths = Paths(root)
    for name, template in _TEMPLATES.items():
        file = paths.templates / f"{name}.j2"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(template)
    for name, content in {
        "etc/postfix/master.cf": "baked\n",
        "etc/postfix/main.cf": "baked\n",
        "etc/postfix/dir/deep": "baked\n",
        "etc/bind/named.conf": "baked\n",
    }.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    (root / "etc/postfix/link").symlink_to("master.cf")
    house = {
        "format": 1,
        "settings": {"base": {"mailboxes": True, "x": 5}},
        "units": [
            {"name": name, "needs_instance": True}
            for name in ("postfix.service", "named.service", "postolka-database.service")
        ],
        "readers": [
            {"unit": "postfix.service", "files": ["/etc/postfix", "/run/postolka/tls"]},
            {"unit": "named.service", "files": ["/etc/bind"]},
        ],
        "checkers": [["forbidden.example.test"]],
        "ports": [],
        "instance_files": {
            f"/{name}": {"template": f"{name}.j2", "mode": "0640", "user": "u", "group": "g"}
            for name in _TEMPLATES
        },
    }
    paths.house.write_text(json.dumps(house))
    return paths


def offer(paths: Paths, *parts: bytes) -> None:
    """Let the platform give `parts`."""
    paths.incoming.mkdir(parents=True, exist_ok=True)
    for file in paths.incoming.iterdir():
        file.unlink()
    for number, part in enumerate(parts):
        (paths.incoming / f"{number}.yaml").write_bytes(part)


def tree(directory: Path) -> dict[str, tuple[int, bytes]]:
    """Return mode and content of every file and link below `directory`."""
    return {
        str(path.relative_to(directory)): (
            path.lstat().st_mode,
            str(path.readlink()).encode() if path.is_symlink() else path.read_bytes(),
        )
        for path in sorted(directory.rglob("*"))
        if path.is_symlink() or not path.is_dir()
    }


def _main(root: str, stop: str = "") -> None:
    count = 0

    def hook(event: str, _: object) -> None:
        nonlocal count
        if event.startswith(_EVENTS):
            count += 1
            if str(count) == stop:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    agent.boot(Paths(Path(root)), Recorder())
    os.write(1, f"{count}\n".encode())


if __name__ == "__main__":
    _main(*sys.argv[1:])
