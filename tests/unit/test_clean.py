"""A cleaned root holds nothing of when and where it was made."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from postolka.layers import clean

if TYPE_CHECKING:
    from pathlib import Path

EPOCH = 1_700_000_000


@pytest.fixture(name="root")
def _root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for name in ("etc/ssh", "var/log/apt", "usr/share/doc/zstd", "usr/share/man/man1", "tmp/x"):
        (root / name).mkdir(parents=True)
    for name in (
        "etc/hostname",
        "etc/passwd",
        "etc/passwd-",
        "etc/ssh/ssh_host_rsa_key",
        "etc/ssh/sshd_config",
        "usr/share/doc/zstd/copyright",
        "usr/share/doc/zstd/changelog.gz",
        "usr/share/man/man1/zstd.1.gz",
        "var/log/apt/term.log",
    ):
        (root / name).write_text(name)
    return root


def test_traces_and_secrets_go(root: Path) -> None:
    """Host keys, backups, logs, the builder's name and manuals go; configuration stays."""
    clean.root(root, EPOCH)
    left = {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}
    assert left == {
        "etc/.updated",
        "etc/machine-id",
        "etc/passwd",
        "etc/ssh/sshd_config",
        "usr/share/doc/zstd/copyright",
        "var/.updated",
    }
    assert (root / "etc/machine-id").read_text() == ""


def test_the_callers_umask_is_no_input(root: Path) -> None:
    """What cleaning up writes has the same mode for a builder with any umask."""
    before = os.umask(0o077)
    try:
        clean.root(root, EPOCH)
    finally:
        os.umask(before)
    written = [root / name for name in ("etc/.updated", "var/.updated", "etc/machine-id")]
    assert {path.stat().st_mode & 0o777 for path in written} == {0o644}


def test_no_date_is_younger_than_the_lock(root: Path) -> None:
    """Every entry, links and the root itself too, has at most the lock's date."""
    (root / "etc/link").symlink_to("/nowhere")
    clean.root(root, EPOCH)
    assert {path.lstat().st_mtime for path in [root, *root.rglob("*")]} == {EPOCH}


def test_a_link_is_never_followed_out_of_the_root(root: Path, tmp_path: Path) -> None:
    """A link that stands where something is to be removed goes itself; its target stays."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("ours")
    (root / "var/tmp").mkdir()
    (root / "var/tmp/link").symlink_to(outside)
    (root / "usr/share/doc/link").symlink_to(outside)
    clean.root(root, EPOCH)
    assert (outside / "file").exists()
    assert not (root / "var/tmp/link").is_symlink()
