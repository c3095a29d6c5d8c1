"""Resolving needs a mirror: tests/image. Here is what is said without one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from postolka import apt
from postolka.errors import PostolkaError

if TYPE_CHECKING:
    from pathlib import Path


def test_missing_keyring_is_said_before_the_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without Debian's keys nothing is fetched, and the package that has them is named."""
    monkeypatch.setattr(apt, "KEYRING", tmp_path / "none.gpg")
    with pytest.raises(PostolkaError, match=r"none\.gpg") as caught:
        apt.Apt(tmp_path).update()
    assert caught.value.hint == "apt-get install debian-archive-keyring"
