"""How hardened a running instance is in the eyes of an auditor."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.container import auditor

if TYPE_CHECKING:
    from postolka.machines import Machine

pytestmark = pytest.mark.soak

#: Of 100. What it misses is mostly of a server that is changed in place (updates, what finds
#: changed files), and of the build host's kernel, which a container has.
_LEAST = 60


def test_auditor_finds_it_hardened(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    """By lynis' index, which is printed with all that it would rather have."""
    found = auditor.audit(machine)
    with capsys.disabled():
        sys.stdout.write(f"\n{found}\n")
    assert found.index >= _LEAST
    # Nobody outside answers the lab's server for the name that it asks for.
    assert {text.split("|")[0] for text in found.warnings} <= {"NETW-2704"}
