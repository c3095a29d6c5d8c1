"""The process that builds: `postolka.build` starts it in namespaces of its own.

It reads one request as a line of JSON and answers with lines of JSON: {"progress": TEXT} while it
works, then {"path": STORE PATH} or {"error": {...}}. The end of its input tells it to stop.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from postolka import (
    apt,
    deployer,
    derivation,
    files,
    home,
    logs,
    mirrors,
    papers,
    tools,
    wants,
    workdir,
)
from postolka import lock as locks
from postolka.debs import Debs, UnavailableError
from postolka.errors import PostolkaError, ProblemsError
from postolka.generation import MANIFEST, NAMES
from postolka.layers import subset, whole
from postolka.layers.context import Context
from postolka.store import Store
from pyinfra_deploys import server, settings

if TYPE_CHECKING:
    from postolka.generation import Want
    from postolka.lock import Lock
    from pyinfra_deploys.settings import Settings


def main() -> int:
    """Answer the one request on standard input."""
    os.umask(0o022)
    request = json.loads(sys.stdin.readline())
    threading.Thread(target=_stop_at_end_of_input, daemon=True).start()
    try:
        path = _Build(
            checkout=Path(request["checkout"]), want=request["want"], profile=request["profile"]
        ).path(temporary=request["temporary_lock"])
    except ProblemsError as error:
        problems = [[problem.path, problem.text] for problem in error.problems]
        _say({"error": {**_told(error), "problems": problems}})
        return 1
    except PostolkaError as error:
        _say({"error": {**_told(error), "problems": None}})
        return 1
    except KeyboardInterrupt:
        return 1
    _say({"path": str(path)})
    return 0


def _told(error: PostolkaError) -> dict[str, Any]:
    return {"where": error.where, "problem": error.problem, "hint": error.hint}


def _say(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)  # noqa: T201 - this is the protocol


def _progress(line: str) -> None:
    _say({"progress": line})


def _stop_at_end_of_input() -> None:
    sys.stdin.read()
    # To the main thread by name: another one would take the signal without waking it.
    main_thread = threading.main_thread().ident
    if main_thread is not None:
        signal.pthread_kill(main_thread, signal.SIGINT)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Build:
    """What is to be built of a checkout."""

    checkout: Path
    want: Want
    profile: str

    def path(self, *, temporary: bool) -> Path:
        """Build by the checkout's lock, or, where that is no use, by a temporary one."""
        wanted = wants.wanted()
        parsed = settings.load(self.checkout / derivation.GROUP_DATA, self.profile)
        path = self.checkout / derivation.LOCK
        standing_in = derivation.temporary_lock(self.checkout)
        try:
            return self._by(path, _read(path, wanted), parsed)
        except (UnavailableError, _UnusableError) as error:
            if not temporary:
                raise
            _progress(f"{error}".partition("\nhint:")[0])
        if standing_in.exists():
            _progress("using the temporary lock that was made before")
            try:
                return self._by(standing_in, _read(standing_in, wanted), parsed)
            except (UnavailableError, _UnusableError) as error:
                _progress(f"{error}".partition("\nhint:")[0])
        _progress("resolving into a temporary lock; `postolka lock --update` makes a lasting one")
        lock = apt.lock(home.home() / "apt", wanted, _progress)
        standing_in.parent.mkdir(parents=True, exist_ok=True)
        files.replace(standing_in, locks.serialise(lock).encode())
        return self._by(standing_in, lock, parsed)

    def _by(self, path: Path, lock: Lock, parsed: Settings) -> Path:
        store, debs = Store(home.store()), Debs(home.debs(), mirrors.snapshots(lock.suites))
        _progress("planning")
        plan = deployer.plan(server.server, parsed)
        toolbox = tools.realise(lock, "tools", store, debs, _progress)
        names = wants.image(server.present(parsed))
        lock = subset.apply(lock, names, toolbox, store=store, debs=debs, progress=_progress)
        hashes = derivation.inputs(lock, plan, self.checkout)
        image_id = derivation.image_id(hashes)
        # Taken before the work: an input that changes meanwhile must not be found under this
        # result.
        fast_key = derivation.fast_key(self.checkout, path, self.profile)
        built = store.get(NAMES[self.want], image_id)
        if not built:
            with (
                logs.new(f"build-{image_id[:16]}") as log,
                workdir.new("build-", home.home()) as work,
            ):
                context = Context(
                    id=image_id,
                    lock=lock,
                    settings=parsed,
                    plan=hashes["plan"],
                    tools=toolbox,
                    debs=debs,
                    store=store,
                    work=work.path,
                    progress=_progress,
                    log=log,
                )
                explained = papers.inputs(context, plan, self.checkout)
                built = _finish(context, self.want, hashes, explained)
        store.remember(fast_key, NAMES[self.want], built)
        return built


def _finish(
    context: Context,
    want: Want,
    hashes: dict[str, str],
    explained: dict[str, Any],
) -> Path:
    """Make every layer, then the store path that names them all."""
    layers = whole.realise(context, with_disk=want == "disk")

    def make(out: Path) -> None:
        out.mkdir()
        manifest = {
            "id": context.id,
            "inputs": hashes,
            "root_layers": [str(layer.relative_to(context.store.root)) for layer in layers.root],
            "paths": sorted(context.store.asked),
            "records": {name: context.store.digest(name) for name in sorted(context.store.asked)},
        }
        (out / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
        if layers.disk:
            # The same file under a second name: nothing in the store is ever written to.
            (out / "disk.raw").hardlink_to(layers.disk / "disk.raw")
        papers.write(out, context, hashes, explained, root=layers.root[-1])

    return context.store.realise(NAMES[want], context.id, make)


class _UnusableError(PostolkaError):
    """There is no lock, or it was made for other packages than the rooms want now."""


def _read(path: Path, wanted: dict[str, tuple[str, ...]]) -> Lock:
    """Return the lock at `path`. One that is broken is an error, never a reason to stand in."""
    try:
        text = path.read_text()
    except FileNotFoundError as error:
        raise _UnusableError(path.name, "there is no lock", hint=locks.REFRESH) from error
    except (OSError, UnicodeDecodeError) as error:
        raise PostolkaError(path.name, f"can't be read: {error}") from error
    lock = locks.parse(text, where=path.name)
    try:
        lock.check(wanted, where=path.name)
    except PostolkaError as error:
        raise _UnusableError(error.where, error.problem, hint=error.hint) from error
    return lock


if __name__ == "__main__":
    sys.exit(main())
