"""What holds for all tests."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is no reason for a property to be false.
settings.register_profile("postolka", deadline=None)
settings.load_profile("postolka")

_TESTS = Path(__file__).parent
#: Directories whose tests mount, build or boot; each is also a mark.
_AS_ROOT = ("image", "container", "vm")


def pytest_configure() -> None:
    """Have programs that tests start be interrupted by SIGINT: a shell's `&` ignores it for all."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need root by their directory, and skip them where they can't run."""
    for item in items:
        level = item.path.relative_to(_TESTS).parts[0]
        if level in _AS_ROOT:
            item.add_marker(level)
            if os.geteuid():
                item.add_marker(pytest.mark.skip(reason="needs root: run it by `make test`"))
