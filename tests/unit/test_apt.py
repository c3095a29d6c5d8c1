"""Where mirrors come from. Resolving itself needs one: tests/image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from postolka import apt
from postolka.errors import PostolkaError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MAIN, SECURITY = "http://mirror.example/debian/", "http://mirror.example/debian-security/"


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in apt.VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)


def _answer(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    """Let the host's apt list these index targets: label, release, address."""

    def run(argv: Sequence[str]) -> bytes:
        assert argv[:2] == ["apt-get", "indextargets"]
        return "".join(f"{line}\n" for line in lines).encode()

    monkeypatch.setattr(apt, "run", run)


def test_the_hosts_sources_name_the_mirrors(monkeypatch: pytest.MonkeyPatch) -> None:
    """The labels of what apt has fetched tell Debian's archives from others."""
    _answer(
        monkeypatch,
        "Other\tstable\thttp://other.example/",
        f"Debian\tbookworm\t{MAIN}",
        "Debian\tbookworm-updates\thttp://second.example/debian/",
        f"Debian-Security\tbookworm-security\t{SECURITY}",
    )
    assert apt.mirrors() == {"debian": MAIN, "debian-security": SECURITY}


def test_sources_without_lists_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first apt-get update the names of the releases tell the archives."""
    _answer(monkeypatch, f"\tbookworm\t{MAIN}", f"\tbookworm-security\t{SECURITY}")
    assert apt.mirrors() == {"debian": MAIN, "debian-security": SECURITY}


def test_security_lies_beside_the_main_archive(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host without a source for security updates takes them from the same mirror."""
    _answer(monkeypatch, f"Debian\ttrixie\t{MAIN}")
    assert apt.mirrors()["debian-security"] == SECURITY


def test_variables_win(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment names another mirror, with or without a slash at its end."""
    _answer(monkeypatch, f"Debian\ttrixie\t{MAIN}", f"Debian-Security\ttrixie-security\t{SECURITY}")
    monkeypatch.setenv("POSTOLKA_MIRROR", "http://near.example/d")
    assert apt.mirrors() == {"debian": "http://near.example/d/", "debian-security": SECURITY}


def test_no_mirror_is_an_error_with_a_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host without Debian's sources is told the variable that names a mirror."""
    _answer(monkeypatch, "Ubuntu\tnoble\thttp://other.example/ubuntu/")
    with pytest.raises(PostolkaError, match="no mirror of the archive debian") as caught:
        apt.mirrors()
    assert "POSTOLKA_MIRROR" in str(caught.value.hint)


def test_missing_keyring_is_said_before_the_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without Debian's keys nothing is fetched, and the package that has them is named."""
    monkeypatch.setattr(apt, "KEYRING", tmp_path / "none.gpg")
    with pytest.raises(PostolkaError, match=r"none\.gpg") as caught:
        apt.Apt(tmp_path).update()
    assert caught.value.hint == "apt-get install debian-archive-keyring"
