"""Keys and detached signatures: who made an image, and that nothing of it has changed since."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from postolka import cli, papers, signing
from postolka.store import Store
from tests.unit.test_why import HASHES, TOLD, make_image

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(name="image")
def _image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an image in a store, with checksums of its files."""
    monkeypatch.setenv("POSTOLKA_HOME", str(tmp_path / "home"))
    store = Store(tmp_path / "home/store")
    image = make_image(store, TOLD, HASHES)
    image.chmod(0o755)
    lines = [
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n"
        for file in sorted(image.iterdir())
    ]
    (image / papers.SUMS).write_text("".join(lines))
    image.chmod(0o555)
    store.record(image.name).unlink()
    store.digest(image.name)
    return image


@pytest.fixture(name="key")
def _key(tmp_path: Path) -> Path:
    signing.new(tmp_path / "key")
    return tmp_path / "key"


def _pub(key: Path) -> str:
    return f"{key}.pub"


def test_a_key_is_its_owners_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Mode 0600 whatever the umask, the public part beside it; and it is never overwritten."""
    key = tmp_path / "key"
    assert cli.main(["key", "new", str(key)]) == 0
    assert capsys.readouterr().out == f"{key}.pub\n"
    assert key.stat().st_mode & 0o777 == 0o600
    before = key.read_bytes()
    assert "PRIVATE" not in (tmp_path / "key.pub").read_text()
    assert cli.main(["key", "new", str(key)]) == 1
    assert "is there already" in capsys.readouterr().err
    assert key.read_bytes() == before
    assert cli.main(["key", "new", str(tmp_path / "no/key")]) == 1
    assert "no such directory" in capsys.readouterr().err


def test_a_signed_image_is_told_from_others(
    image: Path, key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before it is signed, by another key, and after a change of what was signed: exit code 1."""
    words = ["verify", str(image), "--key", _pub(key)]
    assert cli.main(words) == 1
    assert f"{image.name}: isn't signed by" in capsys.readouterr().err
    assert cli.main(["sign", str(image), "--key", str(key)]) == 0
    capsys.readouterr()
    assert cli.main(words) == 0
    assert capsys.readouterr().out == f"1 paths are as they were made, signed by {key}.pub\n"
    other = signing.new(tmp_path / "other")
    assert cli.main([*words[:-1], str(other)]) == 1
    assert "isn't signed by" in capsys.readouterr().err
    # Somebody who can write to the store makes everything fit, but has no key.
    (image / papers.INPUTS).write_text("{}")
    sums = image / papers.SUMS
    sums.write_text(f"{hashlib.sha256(b'{}').hexdigest()}  {papers.INPUTS}\n")
    store = Store(image.parent)
    store.record(image.name).unlink()
    store.digest(image.name)
    assert cli.main(words[:2]) == 0
    assert cli.main(words) == 1
    assert "of this image" in capsys.readouterr().err


def test_what_was_handed_over_is_checked_without_a_store(
    image: Path, key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A directory with SHA256SUMS; the signature lies beside it, and OpenSSL agrees."""
    dist = tmp_path / "dist"
    shutil.copytree(image, dist)
    dist.chmod(0o755)
    (dist / "manifest.json").write_text("{}")
    assert cli.main(["sign", str(dist), "--key", str(key)]) == 0
    assert (dist / signing.SIGNATURE).stat().st_size == 64
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", _pub(key), "-rawin"]
    command += ["-in", str(dist / papers.SUMS), "-sigfile", str(dist / signing.SIGNATURE)]
    subprocess.run(command, check=True)
    assert cli.main(["verify", str(dist), "--key", _pub(key)]) == 0
    (dist / papers.INPUTS).write_text("other")
    capsys.readouterr()
    assert cli.main(["verify", str(dist), "--key", _pub(key)]) == 1
    assert f"dist/{papers.INPUTS}: isn't what SHA256SUMS says" in capsys.readouterr().err
    (dist / papers.INPUTS).unlink()
    assert cli.main(["verify", str(dist)]) == 1
    assert f"dist/{papers.INPUTS}: is missing" in capsys.readouterr().err


def test_what_is_no_key_is_an_error(
    image: Path, key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing file, a text, a public key for a private one, RSA, and --key without an image."""
    (tmp_path / "text").write_text("text")
    rsa = str(tmp_path / "rsa")
    subprocess.run(["openssl", "genrsa", "-out", rsa, "2048"], check=True, capture_output=True)
    for file in (str(tmp_path / "none"), str(tmp_path / "text"), _pub(key), rsa):
        assert cli.main(["sign", str(image), "--key", file]) == 1
        assert capsys.readouterr().err.startswith(f"postolka: {file}: no")
    for file in (str(tmp_path / "none"), str(tmp_path / "text"), str(key)):
        assert cli.main(["verify", str(image), "--key", file]) == 1
        assert capsys.readouterr().err.startswith(f"postolka: {file}: no")
    assert cli.main(["verify", "--key", _pub(key)]) == 1
    assert "--key: is about one image" in capsys.readouterr().err


def test_signatures_go_with_their_image(image: Path, key: Path) -> None:
    """An image that is made again has to be signed again."""
    assert cli.main(["sign", str(image), "--key", str(key)]) == 0
    store = Store(image.parent)
    assert len(list((store.root / ".signatures").iterdir())) == 1
    store.remove(image.name)
    assert list((store.root / ".signatures").iterdir()) == []
