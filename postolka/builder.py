"""The process that builds: `postolka.build` starts it in namespaces of its own.

It reads one request as a line of JSON and answers with lines of JSON: {"progress": TEXT} while it
works, then {"path": STORE PATH} or {"error": {...}}. The end of its input tells it to stop.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from postolka import apt, deployer, derivation, home, tools, wants
from postolka import lock as locks
from postolka.build import MANIFEST, NAMES
from postolka.debs import Debs
from postolka.errors import PostolkaError, ProblemsError
from postolka.layers import packages
from postolka.layers.configured import configured
from postolka.layers.context import Context
from postolka.layers.policy import policy
from postolka.store import Store, digest
from pyinfra_deploys import server, settings

if TYPE_CHECKING:
    from postolka.build import Want
    from postolka.lock import Lock


def main() -> int:
    """Answer the one request on standard input."""
    request = json.loads(sys.stdin.readline())
    threading.Thread(target=_stop_at_end_of_input, daemon=True).start()
    try:
        path = _build(
            Path(request["checkout"]), request["want"], temporary=request["temporary_lock"]
        )
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
    os.kill(os.getpid(), signal.SIGINT)


def _build(checkout: Path, want: Want, *, temporary: bool) -> Path:
    store, debs = Store(home.store()), Debs(home.debs())
    parsed = settings.load(checkout / derivation.GROUP_DATA)
    path, lock = _lock(checkout, temporary=temporary)
    plan = deployer.plan(server.server, parsed)
    hashes = derivation.inputs(lock, plan, checkout)
    log = home.home() / "logs" / f"build-{time.time_ns()}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.touch()
    home.home().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="build-", dir=home.home()) as work:
        context = Context(
            id=derivation.image_id(hashes),
            lock=lock,
            settings=parsed,
            plan=hashes["plan"],
            tools=tools.realise(lock, "tools", store, debs, _progress),
            debs=debs,
            store=store,
            work=Path(work),
            progress=_progress,
            log=log,
        )
        built = _realise(context, want, hashes)
    log.unlink()
    store.remember(derivation.fast_key(checkout, path), NAMES[want], built)
    return built


def _realise(context: Context, want: Want, hashes: dict[str, str]) -> Path:
    """Make every layer, then the store path that names them all."""
    if want == "disk":
        raise PostolkaError("build", "the disk's layers aren't part of this version yet")
    base = packages.realise(
        context.lock,
        context.tools,
        server.users(),
        [line for room in server.all_rooms() for line in room.debconf],
        store=context.store,
        debs=context.debs,
        log=context.log,
        progress=context.progress,
    )
    lower = [policy(context) / "upper", base / "root"]
    layers = [configured(context, lower) / "upper", *lower]

    def make(out: Path) -> None:
        out.mkdir()
        manifest = {
            "id": context.id,
            "inputs": hashes,
            "root_layers": [str(layer.relative_to(context.store.root)) for layer in layers],
        }
        (out / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")

    key = digest([NAMES[want], context.id, [layer.parent.name for layer in layers]])
    return context.store.realise(NAMES[want], key, make)


def _lock(checkout: Path, *, temporary: bool) -> tuple[Path, Lock]:
    """Return the lock to build by: the checkout's, or one made for the time being."""
    wanted = wants.wanted()
    path = checkout / derivation.LOCK
    try:
        return path, _read(path, wanted)
    except PostolkaError as error:
        if not temporary:
            raise
        _progress(f"{error}".partition("\n")[0])
    path = derivation.temporary_lock(checkout)
    if path.exists():
        return path, _read(path, wanted)
    _progress("resolving into a temporary lock; `postolka lock --update` makes a lasting one")
    lock = apt.lock(home.home() / "apt", wanted, _progress)
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_text(locks.serialise(lock))
    new.rename(path)
    return path, lock


def _read(path: Path, wanted: dict[str, tuple[str, ...]]) -> Lock:
    try:
        text = path.read_text()
    except OSError as error:
        raise PostolkaError(path.name, "can't be read", hint=locks.REFRESH) from error
    lock = locks.parse(text, where=path.name)
    lock.check(wanted, where=path.name)
    return lock


if __name__ == "__main__":
    sys.exit(main())
