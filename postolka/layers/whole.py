"""All layers of an image in their order, as far as one needs the other; the rest side by side.

    tools ──> policy ──> kernel ──> initrd ───────────────────┐
      │         └──────────┴──────────────────────┐           │
      └─> packages ──> generated ──> configured ──┴─> image ──┴──> disk
                                         └──> checked

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
from postolka.layers.checked import checked
from postolka.layers.configured import configured, generated
from postolka.layers.disk import disk
from postolka.layers.image import image
from postolka.layers.initrd import initrd
from postolka.layers.kernel import kernel
from postolka.layers.policy import policy
from pyinfra_deploys import server

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor, Future
    from pathlib import Path

    from postolka.layers.context import Context

#: Of what is made beside the packages: it takes what they leave of the processors.
_NICENESS = 5
_RETRY_SECONDS = 0.1


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
    futures: list[Future[Path]] = []

    def begin(executor: Executor, layer: Callable[[], Path]) -> Future[Path]:
        futures.append(executor.submit(layer))
        return futures[-1]

    with (
        concurrent.futures.ThreadPoolExecutor() as pool,
        # One after the other: together they would take no less time.
        concurrent.futures.ThreadPoolExecutor(
            1, initializer=os.nice, initargs=(_NICENESS,)
        ) as beside,
    ):
        try:
            compiled = begin(beside, lambda: policy(context) / "upper")
            base = begin(pool, lambda: _packages(context) / "root")
            apart = begin(pool, lambda: generated(context, [base.result()]) / "upper")
            upper = begin(
                pool, lambda: configured(context, [apart.result(), base.result()]) / "upper"
            )
            begin(pool, lambda: checked(context, upper.result(), [apart.result(), base.result()]))
            made = None
            if with_disk:
                core = begin(beside, lambda: kernel(context))
                start = begin(beside, lambda: initrd(context, core.result()))

                def whole() -> Path:
                    own = [upper.result(), compiled.result(), apart.result(), base.result()]
                    root = image(context, [*own, core.result() / "root"])
                    return disk(context, core.result(), start.result(), root)

                made = begin(pool, whole)
            _wait(futures)
        except BaseException:
            for executor in (pool, beside):
                executor.shutdown(wait=False, cancel_futures=True)
            # Again and again: a thread that was between two tools starts the next one.
            while concurrent.futures.wait(futures, _RETRY_SECONDS).not_done:
                _stop()
            raise
    return Layers(
        root=(upper.result(), compiled.result(), apart.result(), base.result()),
        disk=made.result() if made else None,
    )


def _wait(futures: Sequence[Future[Path]]) -> None:
    """Wait until all are done, or raise what the first one that fails raised."""
    done, _ = concurrent.futures.wait(futures, return_when=concurrent.futures.FIRST_EXCEPTION)
    for future in done:
        future.result()


def _packages(context: Context) -> Path:
    rooms = server.present(context.settings)
    return packages.realise(
        context.lock,
        context.tools,
        server.users(rooms),
        [line for room in rooms for line in room.debconf],
        store=context.store,
        debs=context.debs,
        log=context.log,
        progress=context.progress,
    )


def _stop() -> None:
    """Kill every tool that is still running, so that the threads that wait for them end."""
    if os.getpid() == 1:
        with contextlib.suppress(ProcessLookupError):  # there is none
            os.kill(-1, signal.SIGKILL)
