"""What holds for all tests."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests import together

if TYPE_CHECKING:
    from xdist.remote import Producer

    from tests.together import Scheduling

# A busy machine is no reason for a property to be false.
settings.register_profile("postolka", deadline=None)
settings.load_profile("postolka")

_TESTS = Path(__file__).parent
#: Directories whose tests mount, build or boot; each is also a mark.
_AS_ROOT = ("image", "container", "vm")
#: What takes minutes, the longest first: who begins it last waits for it.
_LONG = (
    "vm/test_life", *(name for group in together.GROUPS for name in group),
    # A worker has the next one put by while it runs its first: short ones, where that is long.
    "image/test_check", "container/test_life", "container/test_dns01",
    "container/test_ec2", "container/test_postfix_tls",
    "container/test_postfix_screen", "container/test_acme", "container/test_opendkim",
    "container/test_postfix_relay", "container/test_lab", "container/test_power",
)  # fmt: skip


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling | None:
    """Give tests away by file, and by `together.GROUPS`."""
    return together.Scheduling(config, log) if config.getvalue("dist") == "loadfile" else None


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
    items.sort(key=_place)


def _place(item: pytest.Item) -> tuple[int, int]:
    """Return where a test comes in a run: long files first, then what waits most, the short last.

    xdist gives whole files away in this order (`--no-loadscope-reorder`).
    """
    path = item.path.relative_to(_TESTS).with_suffix("")
    if str(path) in _LONG:
        return 0, _LONG.index(str(path))
    level = path.parts[0]
    return 1, ("container", "image", "vm").index(level) if level in _AS_ROOT else len(_AS_ROOT)
