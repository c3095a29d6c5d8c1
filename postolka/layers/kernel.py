"""The kernel layer: `vmlinuz`, and its modules in `root/usr/lib/modules`.

The package is unpacked and not installed: as a package it would ask for something that makes an
initrd on the machine, and run it. So the layer needs no root below it, and changes with one package
of the lock.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from postolka.errors import PostolkaError
from postolka.lock import REFRESH
from postolka.store import digest

if TYPE_CHECKING:
    from pathlib import Path

    from postolka.layers.context import Context
    from postolka.lock import Lock, Package

#: Raised when this module makes another result from the same inputs.
FORMAT = 1
MODULES = "usr/lib/modules"


def package(lock: Lock) -> Package:
    """Return the locked package that holds the kernel."""
    found = [p for p in lock.of("kernel") if p.name.startswith("linux-image-")]
    if len(found) != 1:
        problem = f"has {len(found)} packages linux-image-* in the set kernel, not 1"
        raise PostolkaError("postolka.lock", problem, hint=REFRESH)
    return found[0]


def kernel(context: Context) -> Path:
    """Return the layer's store path."""
    locked = package(context.lock)

    def make(out: Path) -> None:
        context.debs.fetch([locked], context.progress)
        context.progress(f"kernel: unpacking {locked}")
        out.mkdir()
        unpacked = out / "unpacked"
        unpacked.mkdir()
        context.tools.run(
            ["dpkg-deb", "--extract", "/package.deb", "/unpacked"],
            binds={"/package.deb": context.debs.path(locked)},
            writes={"/unpacked": unpacked},
            log=context.log,
        )
        root = out / "root" / MODULES
        root.parent.mkdir(parents=True)
        (unpacked / MODULES).rename(root)
        name = release(out)
        (unpacked / f"boot/vmlinuz-{name}").rename(out / "vmlinuz")
        shutil.rmtree(unpacked)
        context.tools.run(["depmod", name], writes={f"/{MODULES}": root}, log=context.log)

    return context.store.realise(
        "kernel", digest(["kernel", FORMAT, locked.sha256, context.tools.key]), make
    )


def release(layer: Path) -> str:
    """Return the kernel's release, as `uname -r` gives it."""
    (found,) = [path.name for path in (layer / "root" / MODULES).iterdir()]
    return found
