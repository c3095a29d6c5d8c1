"""Build this checkout's image: answer from the store, or make what is missing in a process apart.

The work runs in a process of its own (postolka.builder) with private mounts and process ids: when
it ends, however it ends, its mounts are gone and whatever it had started is dead.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from postolka import clock, collector, derivation, home
from postolka.errors import PostolkaError, Problem, ProblemsError
from postolka.generation import NAMES, manifest, needs
from postolka.instance.house import load_house
from postolka.instance.paths import Paths
from postolka.run import ENVIRONMENT
from postolka.store import KEY_LENGTH, Store
from postolka.tools import Tools

if TYPE_CHECKING:
    from collections.abc import Callable

    from postolka.generation import Want

_PATIENCE_SECONDS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A finished build in the store."""

    id: str
    """The image's id: hash of all inputs, lower-case hexadecimal."""
    path: Path
    """The store directory."""
    disk: Path | None
    """The golden disk image in it, raw; None where only the root was wanted."""
    root_layers: tuple[Path, ...]
    """The directories that make the root file system when overlaid, highest first."""

    def public_tcp_ports(self) -> list[int]:
        """Return the ports that its server shows to the world, under its own settings."""
        public = (port for port in self._house()["ports"] if port["is_public"])
        return [port["number"] for port in public if port["protocol"] == "tcp"]

    def has_mailboxes(self) -> bool:
        """Say whether it delivers mail, or passes all on."""
        return bool(self._house()["settings"]["base"]["mailboxes"])

    def _house(self) -> dict[str, Any]:
        places = (Paths(layer) for layer in self.root_layers)
        return load_house(next(paths for paths in places if paths.house.exists()))


def realise(
    checkout: Path = home.CHECKOUT,
    *,
    want: Want = "disk",
    progress: Callable[[str], None],
    temporary_lock: bool = False,
    profile: str = "",
) -> Built:
    """Return this checkout's image, or only its root, made where it isn't in the store.

    With a `profile` the settings of that file of group_data win.
    With `temporary_lock` packages that the mirror no longer has as locked, or a missing lock, are
    resolved afresh into a lock outside the checkout, and `progress` is told.

    Raises PostolkaError for whatever is wrong with the inputs or goes wrong in a step.
    """
    store = Store(home.store())
    found = recall(checkout, want=want, temporary_lock=temporary_lock, profile=profile)
    if found:
        store.keep(checkout, found.path, profile)
        return found
    if os.geteuid():
        problem = "an image can only be built as root: it needs mounts, owners and chroot"
        raise PostolkaError("build", problem, hint="sudo .venv/bin/postolka build")
    if not re.fullmatch(r"[\w./+@%-]+", str(home.home().resolve())):
        problem = "the path holds characters that a mount option can't"
        raise PostolkaError(str(home.home()), problem, hint="set POSTOLKA_HOME to a plain path")
    request = {"want": want, "temporary_lock": temporary_lock, "profile": profile}
    answer = _apart({"checkout": str(checkout), **request}, progress)
    built = load(Path(answer["path"]))
    store.keep(checkout, built.path, profile)
    # Here, not in the builder: that one doesn't see who uses what.
    if gone := collector.trim(store):
        progress(f"the store was over its limit: {len(gone)} old results are removed")
    return built


def recall(
    checkout: Path, *, want: Want, temporary_lock: bool = False, profile: str = ""
) -> Built | None:
    """Return the build of the very same input bytes, if the store has it."""
    store = Store(home.store())
    for lock in derivation.locks(checkout, temporary=temporary_lock):
        path = store.recall(derivation.fast_key(checkout, lock, profile), NAMES[want])
        if path:
            return load(path)
    return None


def find(name: str, want: Want = "disk") -> Built:
    """Return the image in the store whose id begins with `name`; a `root` needs no disk.

    Raises PostolkaError where there is none, or more than one.
    """
    wanted = name[:KEY_LENGTH]
    ends = {NAMES[want], NAMES["disk"]} if wanted.isalnum() else set()
    paths = [path for end in sorted(ends) for path in home.store().glob(f"{wanted}*-{end}")]
    built = {build.id: build for build in map(load, paths) if build.id.startswith(name)}
    if len(built) != 1:
        problem = f"{len(built)} images have an id that begins so" if built else "no such image"
        raise PostolkaError(name, problem, hint="postolka build")
    return next(iter(built.values()))


def named(name: str) -> Built:
    """Return the image with this id, the beginning of one, or at this path of the store.

    Raises PostolkaError as `find` and `load`.
    """
    return load(Path(name)) if "/" in name else find(name, "root")


def load(path: Path) -> Built:
    """Read a finished build's manifest."""
    data = manifest(path)
    disk = path / "disk.raw"
    return Built(
        id=data["id"],
        path=path,
        disk=disk if disk.exists() else None,
        root_layers=tuple(path.parent / layer for layer in data["root_layers"]),
    )


def toolbox(built: Built) -> Tools:
    """Return the tools root that the image was made in. Raises PostolkaError where it has gone."""
    names = needs(built.path)
    root = next((built.path.parent / name for name in names if name.endswith("-tools")), None)
    if root is None or not root.exists():
        raise PostolkaError(str(built.path), "its tools root is missing", hint="postolka build")
    return Tools(root=root, key="")


def _apart(request: dict[str, Any], progress: Callable[[str], None]) -> dict[str, Any]:
    """Run the builder on `request` and return its answer; it dies with this process."""
    command = ["setpriv", "--pdeathsig", "KILL", "--"]
    command += ["unshare", "--mount", "--propagation", "private", "--pid", "--fork"]
    command += ["--kill-child", "--mount-proc", "--", *clock.argv()]
    # The last word is for those who look for it in a list of processes.
    command += [sys.executable, "-P", "-m", "postolka.builder", str(home.home())]
    environment = {
        **ENVIRONMENT,
        **clock.variables(),
        "PYTHONPATH": str(Path(request["checkout"]).resolve()),
        **home.variables(),
    }
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        cwd="/",
        start_new_session=True,
    ) as builder:
        assert builder.stdin  # noqa: S101 - as asked for
        assert builder.stdout  # noqa: S101
        answer: dict[str, Any] = {}
        try:
            builder.stdin.write(json.dumps(request).encode() + b"\n")
            builder.stdin.flush()
            for line in builder.stdout:
                message = json.loads(line)
                if "progress" in message:
                    progress(message["progress"])
                else:
                    answer = message
        except BaseException:
            # The end of its input tells the builder to stop what it does and to clean up.
            builder.stdin.close()
            try:
                builder.wait(_PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                builder.kill()
            raise
    if "error" in answer:
        raise _error(**answer["error"])
    if "path" not in answer:
        status = builder.returncode
        how = signal.Signals(-status).name if status < 0 else f"status {status}"
        raise PostolkaError("build", f"the builder ended ({how}) without an answer")
    return answer


def _error(
    where: str, problem: str, hint: str | None, problems: list[list[str]] | None
) -> PostolkaError:
    if problems is None:
        return PostolkaError(where, problem, hint=hint)
    return ProblemsError(where, [Problem(path, text) for path, text in problems], hint=hint)
