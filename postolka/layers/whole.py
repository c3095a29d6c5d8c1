"""All layers of an image in their order, as far as one needs the other; the rest side by side.

    tools ──> kernel ──> initrd ─────────────────────────┐
      ├─────> policy ────────────────────┐               ├──> disk
      └─────> packages ──> configured ───┴──> image ─────┘

Two processors are kept busy that way: the packages' scripts are one long single thread.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from postolka.layers import packages
from postolka.layers.configured import configured
from postolka.layers.disk import disk
from postolka.layers.image import image
from postolka.layers.initrd import initrd
from postolka.layers.kernel import kernel
from postolka.layers.policy import policy
from pyinfra_deploys import server

if TYPE_CHECKING:
    from concurrent.futures import Future
    from pathlib import Path

    from postolka.layers.context import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class Layers:
    """What was made, as store paths."""

    root: tuple[Path, ...]
    """The trees that make the root file system, highest first."""
    disk: Path | None
    """The layer that holds disk.raw."""


def realise(context: Context, *, with_disk: bool) -> Layers:
    """Make what isn't in the store; the first failure stops all the rest and is raised.

    The calling process must be the first of its process namespace, and alone in it.
    """
    pool = concurrent.futures.ThreadPoolExecutor()
    try:
        root = pool.submit(_root, context)
        compiled = pool.submit(lambda: policy(context) / "upper")
        futures: list[Future[object]] = [root, compiled]  # type: ignore[list-item]
        if with_disk:
            core = pool.submit(kernel, context)
            start = pool.submit(lambda: initrd(context, core.result()))

            def whole() -> Path:
                upper, base = root.result()
                lower = [upper, compiled.result(), base, core.result() / "root"]
                return disk(context, core.result(), start.result(), image(context, lower))

            made = pool.submit(whole)
            futures += [core, start, made]  # type: ignore[list-item]
        done, _ = concurrent.futures.wait(futures, return_when=concurrent.futures.FIRST_EXCEPTION)
        for future in done:
            future.result()
    except BaseException:
        _stop()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
    upper, base = root.result()
    return Layers(root=(upper, compiled.result(), base), disk=made.result() if with_disk else None)


def _root(context: Context) -> tuple[Path, Path]:
    """Return the configured root's upper side and the packages' root below it."""
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
    return configured(context, [base / "root"]) / "upper", base / "root"


def _stop() -> None:
    """Kill every tool that is still running, so that the threads that wait for them end."""
    if os.getpid() == 1:
        with contextlib.suppress(ProcessLookupError):  # there is none
            os.kill(-1, signal.SIGKILL)
