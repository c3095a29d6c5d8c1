"""Formatting, lint, types and the rules of the house, as tests."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    "tool",
    [
        ("ruff", "format", "--check", "."),
        ("ruff", "check", "."),
        ("mypy",),
    ],
    ids=" ".join,
)
def test_tool_has_nothing_to_say(tool: tuple[str, ...]) -> None:
    """Formatting, lint and strict types hold for package and tests alike."""
    done = subprocess.run(
        [sys.executable, "-m", *tool], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _tracked() -> list[Path]:
    listing = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [CHECKOUT / name for name in listing.split("\0") if name]


def test_no_package_host_is_named() -> None:
    """Mirrors come from the build host's configuration or a setting, never from the project."""
    host = re.compile(r"https?://[\w.-]*(?:debian|pypi|pythonhosted|npmjs)\.(?:org|com)")
    found = [
        f"{path.relative_to(CHECKOUT)}: {match.group()}"
        for path in _tracked()
        if path.is_file() and path.suffix != ".png"
        for match in [host.search(path.read_text(errors="replace"))]
        if match
    ]
    assert not found


def test_modules_stay_one_room() -> None:
    """A module of over 300 lines is two modules."""
    long = {
        str(path.relative_to(CHECKOUT)): count
        for path in _tracked()
        if path.suffix == ".py" and "tests" not in path.parts and path.is_file()
        for count in [len(path.read_text().splitlines())]
        if count > 330
    }
    assert not long
