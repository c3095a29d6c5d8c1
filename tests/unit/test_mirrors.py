"""Where mirrors come from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from postolka import mirrors
from postolka.errors import PostolkaError
from postolka.run import run
from tests.unit.test_lock import SUITES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MAIN, SECURITY = "http://mirror.example/debian/", "http://mirror.example/debian-security/"
BOTH = {"debian": MAIN, "debian-security": SECURITY}
_SOURCES = f"""\
Types: deb
URIs: http://other.example/packages
Suites: trixie
Components: main

Types: deb
URIs: {MAIN}
Suites: trixie trixie-updates
Components: main

Types: deb
URIs: {SECURITY}
Suites: trixie-security
Components: main
"""


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in mirrors.VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(mirrors, "EXAMPLES", ())


def _answer(
    monkeypatch: pytest.MonkeyPatch, *fetched: str, sources: Path | str = "/dev/null"
) -> None:
    """Let the host's apt have lists of these labels and addresses, and these sources."""

    def host(argv: Sequence[str]) -> bytes:
        if "indextargets" in argv:
            return "".join(f"{line}\n" for line in fetched).encode()
        if "-o" in argv:
            return run(argv)
        options = (f"Dir::Etc::sourcelist={sources}", "Dir::Etc::sourceparts=/dev/null")
        return run([argv[0], *(word for option in options for word in ("-o", option)), *argv[1:]])

    monkeypatch.setattr(mirrors, "run", host)


def test_the_hosts_lists_name_the_mirrors(monkeypatch: pytest.MonkeyPatch) -> None:
    """The labels of what apt has fetched tell Debian's archives from others; the first counts."""
    _answer(
        monkeypatch,
        "Other\thttp://other.example/debian/",
        f"Debian\t{MAIN}",
        "Debian\thttp://second.example/debian/",
        f"Debian-Security\t{SECURITY}",
    )
    assert mirrors.find() == BOTH


def test_sources_without_lists_are_enough(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Before the first apt-get update the archives' usual names tell them from others."""
    (tmp_path / "debian.sources").write_text(_SOURCES)
    _answer(monkeypatch, sources=tmp_path / "debian.sources")
    assert mirrors.find() == BOTH


def test_security_lies_beside_the_main_archive(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host without a source for security updates takes them from the same mirror."""
    _answer(monkeypatch, f"Debian\t{MAIN}")
    assert mirrors.find()["debian-security"] == SECURITY


def test_variables_win(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment names another mirror, with or without a slash at its end."""
    _answer(monkeypatch, f"Debian\t{MAIN}", f"Debian-Security\t{SECURITY}")
    monkeypatch.setenv("POSTOLKA_MIRROR", "http://near.example/d")
    assert mirrors.find() == {"debian": "http://near.example/d/", "debian-security": SECURITY}


def test_a_directorys_archives_go_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the main archive is a directory, no other mirror is asked for security updates."""
    _answer(monkeypatch, f"Debian\t{MAIN}", f"Debian-Security\t{SECURITY}")
    monkeypatch.setenv("POSTOLKA_MIRROR", "file:/srv/mirror/debian")
    assert mirrors.find() == {
        "debian": "copy:/srv/mirror/debian/",
        "debian-security": "copy:/srv/mirror/debian-security/",
    }


def test_without_sources_apts_example_counts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A machine that has no source of Debian's finds the mirrors in apt's documentation."""
    (tmp_path / "debian.sources").write_text(_SOURCES)
    monkeypatch.setattr(mirrors, "EXAMPLES", (tmp_path / "none", tmp_path / "debian.sources"))
    _answer(monkeypatch, "Ubuntu\thttp://other.example/ubuntu/")
    assert mirrors.find() == BOTH


def test_no_mirror_is_an_error_with_a_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without all that a machine is told the variable that names a mirror."""
    _answer(monkeypatch, "Ubuntu\thttp://other.example/ubuntu/")
    with pytest.raises(PostolkaError, match="no mirror of the archive debian") as caught:
        mirrors.find()
    assert "POSTOLKA_MIRROR" in str(caught.value.hint)


def test_the_snapshot_service_has_no_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """No address of it stands in the project; where one is set, the lock's dates complete it."""
    monkeypatch.delenv(mirrors.SNAPSHOT, raising=False)
    assert mirrors.snapshots(SUITES) == {}
    monkeypatch.setenv(mirrors.SNAPSHOT, "http://dated.example/archive/")
    later = replace(SUITES[0], suite="trixie-updates", date="2026-01-12T20:30:00Z")
    assert mirrors.snapshots([*SUITES, later]) == {
        "debian": "http://dated.example/archive/debian/20260113T203000Z/",
        "debian-security": "http://dated.example/archive/debian-security/20260202T000007Z/",
    }
