"""Another clock for all that a build runs, by libfaketime: `postolka build --check` sets one.

The library is loaded into each program before the C library. It is the build host's and not one of
the lock's: what is to show that the clock doesn't matter must not be an input of an image. A
trixie root can load it, since the host's C library is trixie's or an older one.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The variable that holds the library's path, where a build is to have another clock.
VARIABLE = "POSTOLKA_CLOCK"
#: Another day, month and year, and another hour; later, since apt refuses what isn't valid yet.
AHEAD = "+11171h"
#: Package of the build host that has the library.
PACKAGE = "libfaketime"
LIBRARY = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")

_SETTINGS: Mapping[str, str] = {
    "FAKETIME": AHEAD,
    # A monotonic clock has no date. It can't be another one, either: the library knows neither
    # sem_clockwait(3), by which Python's threads wait, nor, this way, clock_nanosleep(2) until a
    # moment, which is Python's time.sleep().
    "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    # A file's date is what was written, and can be told from what a build sets.
    "NO_FAKE_STAT": "1",
}

# With the C library right behind it, so that malloc(3) is that one's: jemalloc's, which BIND's
# programs have, asks for the time while it begins, and the library for memory, for ever.
_AND_LIBC = "libc.so.6"

#: Shell text for whoever enters a root: in its directory, with its /dev in memory, before it runs
#: "$@" there.
ENTER = f"""
if [ -n "${{{VARIABLE}-}}" ]; then
    : >dev/clock.so
    mount --bind "${VARIABLE}" dev/clock.so
    # dracut packs the libraries that ldd(1) finds, and this isn't one of them.
    printf '#!/bin/sh\\nLD_PRELOAD= exec ldd "$@"\\n' >dev/ldd
    chmod 0755 dev/ldd
    set -- env LD_PRELOAD=/dev/clock.so:{_AND_LIBC} DRACUT_LDD=/dev/ldd "$@"
    unset {VARIABLE}
fi
"""
#: The same for a root $1 whose maker was entered so; the library is to go from its /dev later.
ENTER_INNER = """
if [ -e /dev/clock.so ]; then
    cp /dev/clock.so "$1/dev/clock.so"
fi
"""
# The library shares memory with the programs that a program starts, and leaves it lying about.
_OWN = f"""
mount -t tmpfs -o mode=1777 postolka /dev/shm
export LD_PRELOAD="$1:{_AND_LIBC}"
shift
exec "$@"
"""


def variables() -> dict[str, str]:
    """Return the variables by which what this process runs has its clock; none for the host's."""
    path = os.environ.get(VARIABLE)
    return {VARIABLE: path, **_SETTINGS} if path else {}


def argv() -> list[str]:
    """Return the words before a program of the host that is to have that clock.

    It is started in a mount namespace of its own, with `variables`.
    """
    path = os.environ.get(VARIABLE)
    return ["sh", "-euc", _OWN, "sh", path] if path else []
