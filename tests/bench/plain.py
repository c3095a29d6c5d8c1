"""The yardstick: mmdebstrap as anybody calls it, for the same packages from the same files.

It runs in the same tools root and reads the same local repository, on the same disk; what Postolka
does to be faster it doesn't.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from postolka.layers import repository

if TYPE_CHECKING:
    from pathlib import Path

    from postolka.debs import Debs
    from postolka.lock import Lock
    from postolka.tools import Tools

# A machine that has a network, as far as the packages' scripts can see: without one postconf and
# newaliases would wait for it, and the comparison would flatter us.
_START = 'ip link set lo up; exec "$@"'


def prepare(lock: Lock, debs: Debs, work: Path) -> None:
    """Fetch the packages and index them below `work`, as a mirror does before anybody asks."""
    packages = lock.of("image")
    debs.fetch(packages, lambda _: None)
    repository.write(packages, debs, work / "repository", lock.source_date_epoch)
    (work / "out").mkdir()


def install(lock: Lock, toolbox: Tools, debs: Debs, work: Path) -> None:
    """Install the image's packages into a directory below `work`."""
    toolbox.run(
        [
            "sh", "-c", _START, "start",
            "mmdebstrap", "--mode=root", "--variant=apt", "--format=directory",
            '--aptopt=APT::Install-Recommends "false"',
            f"--include={','.join(lock.wanted['image'])}",
            repository.SUITE, "/out/root",
            f"deb [trusted=yes] copy:///repository {repository.SUITE} main",
        ],
        binds={
            "/repository": work / "repository",
            f"/repository/{repository.POOL}": debs.directory,
        },
        writes={"/out": work / "out"},
        log=work / "mmdebstrap.log",
    )  # fmt: skip
