"""What an upgrade brought, as the changelog in its .deb says."""

from __future__ import annotations

import gzip
import subprocess
from typing import TYPE_CHECKING

import pytest

from postolka import changelog

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """\
postfix (3.10.5-1~deb13u2) trixie-security; urgency=high

  * Fix CVE-2026-1234 and CVE-2026-99999.
    See CVE-2026-1234.

 -- A <a@example.org>  Sat, 31 Jan 2026 12:00:00 +0000

postfix (3.10.5-1~deb13u1) trixie; urgency=medium

  * New release.

 -- A <a@example.org>  Fri, 30 Jan 2026 12:00:00 +0000

postfix (3.10.4-1) unstable; urgency=medium

  * CVE-2025-1111.

 -- A <a@example.org>  Thu, 29 Jan 2026 12:00:00 +0000
"""


def make_deb(directory: Path, name: str, files: dict[str, bytes]) -> Path:
    """Make a real .deb."""
    tree = directory / f"{name}.tree"
    control = tree / "DEBIAN/control"
    control.parent.mkdir(parents=True)
    control.write_text(
        f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: a <a@example.org>\n"
        "Description: x\n"
    )
    for where, content in files.items():
        (tree / where).parent.mkdir(parents=True, exist_ok=True)
        (tree / where).write_bytes(content)
    deb = directory / f"{name}.deb"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "--build", str(tree), str(deb)],
        check=True,
        capture_output=True,
    )
    return deb


@pytest.mark.parametrize(
    ("old", "versions"),
    [
        ("3.10.4-1", ["3.10.5-1~deb13u2", "3.10.5-1~deb13u1"]),
        ("3.10.4-1+b1", ["3.10.5-1~deb13u2", "3.10.5-1~deb13u1"]),
        ("3.10.5-1~deb13u1", ["3.10.5-1~deb13u2"]),
        ("3.10.5-1~deb13u2", []),
        ("1:0", []),
        ("3.9", ["3.10.5-1~deb13u2", "3.10.5-1~deb13u1", "3.10.4-1"]),
    ],
)
def test_entries_are_those_after_the_old_version(old: str, versions: list[str]) -> None:
    """By Debian's order of versions, also where the old one isn't in the changelog."""
    assert [entry.version for entry in changelog.between(TEXT, old)] == versions


def test_no_changelog_has_no_entries() -> None:
    """A package whose .deb has none, or only a link to another's, is no error."""
    assert changelog.between("", "3.10.4-1") == ()


def test_vulnerabilities_are_named_once() -> None:
    """Each CVE number of an entry, sorted."""
    entry, *_ = changelog.between(TEXT, "3.10.4-1")
    assert entry.cves == ("CVE-2026-1234", "CVE-2026-99999")
    assert entry.text.endswith("Sat, 31 Jan 2026 12:00:00 +0000")


def test_debians_changelog_is_read_from_a_deb(tmp_path: Path) -> None:
    """Before upstream's; a native package has only the other; and there may be none."""
    folder = "usr/share/doc/postfix"
    packed = gzip.compress(TEXT.encode())
    both = {f"{folder}/changelog.Debian.gz": packed, f"{folder}/changelog.gz": gzip.compress(b"x")}
    assert changelog.read(make_deb(tmp_path / "1", "postfix", both), "postfix") == TEXT
    native = {f"{folder}/changelog.gz": packed}
    assert changelog.read(make_deb(tmp_path / "2", "postfix", native), "postfix") == TEXT
    none = {f"{folder}/copyright": b"x", "usr/share/doc/other/changelog.gz": packed}
    assert changelog.read(make_deb(tmp_path / "3", "postfix", none), "postfix") == ""
