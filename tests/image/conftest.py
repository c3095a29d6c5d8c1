"""The checkout's root in the store, made where it isn't there yet."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from postolka import build, home, tools
from postolka.debs import Debs
from postolka.store import Store
from tests import checkouts

if TYPE_CHECKING:
    from pathlib import Path

    from postolka.build import Built
    from postolka.lock import Lock
    from postolka.tools import Tools


def say(line: str) -> None:
    """Show what a build does, for those who run `pytest -s`."""
    sys.stderr.write(f"{line}\n")


@pytest.fixture(name="built", scope="session")
def _built() -> Built:
    return build.realise(want="root", progress=say, temporary_lock=True)


@pytest.fixture(name="disk", scope="session")
def _disk() -> Built:
    return build.realise(progress=say, temporary_lock=True)


@pytest.fixture(name="root", scope="session")
def _root(built: Built) -> Path:
    """Return the package layer's root."""
    return built.root_layers[-1]


@pytest.fixture(name="locked", scope="session")
def _locked(built: Built) -> Lock:
    """Return the lock that the root was made by."""
    assert built.path.exists()
    return checkouts.locked()


@pytest.fixture(name="debs", scope="session")
def _debs() -> Debs:
    return Debs(home.debs())


@pytest.fixture(name="toolbox", scope="session")
def _toolbox(locked: Lock, debs: Debs) -> Tools:
    return tools.realise(locked, "tools", Store(home.store()), debs, say)
