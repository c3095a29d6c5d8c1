"""All layers of an image in their order, as far as one needs the other; the rest side by side.

    tools ──> policy ──> kernel ──> initrd ──┬──> image ──> disk
      └─────> packages ──> configured ───────┘

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
        beside = pool.submit(_beside, context, with_disk=with_disk)
        futures: list[Future[object]] = [root, beside]  # type: ignore[list-item]
        done, _ = concurrent.futures.wait(futures, return_when=concurrent.futures.FIRST_EXCEPTION)
        for future in done:
            future.result()
        (upper, base), (compiled, boot) = root.result(), beside.result()
        made = None
        if boot:
            core, start = boot
            lower = [upper, compiled, base, core / "root"]
            made = disk(context, core, start, image(context, lower))
    except BaseException:
        _stop()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
    return Layers(root=(upper, compiled, base), disk=made)


def _beside(context: Context, *, with_disk: bool) -> tuple[Path, tuple[Path, Path] | None]:
    """Return the policy's tree, and for a disk the layers kernel and initrd.

    One after the other: together they take no longer than the packages, which would have to share
    a processor with them otherwise.
    """
    compiled = policy(context) / "upper"
    if not with_disk:
        return compiled, None
    core = kernel(context)
    return compiled, (core, initrd(context, core))


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
