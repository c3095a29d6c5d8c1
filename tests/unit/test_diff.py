"""`postolka diff`: the contents of two images, from packages to sizes."""

from __future__ import annotations

import copy
import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from postolka import cli, comparison, home
from postolka.generation import MANIFEST, NAMES
from postolka.papers import INPUTS
from postolka.store import Store, digest
from tests.unit.test_changelog import TEXT, make_deb
from tests.unit.test_why import HASHES, TOLD

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from postolka.trees import Entry

_DIRECTORY, _FILE, _DEVICE = 0o040755, 0o100644, 0o020000


@pytest.fixture(name="store")
def _store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("POSTOLKA_HOME", str(tmp_path / "home"))
    return Store(tmp_path / "home/store")


def _told(version: str, sha256: str) -> dict[str, Any]:
    told = copy.deepcopy(TOLD)
    told["lock"]["packages"][0] |= {
        "version": version,
        "sha256": sha256,
        "path": f"pool/main/p/postfix/postfix_{version}_amd64.deb",
    }
    told["lock"]["packages"][1]["path"] = "pool/main/e/erofs-utils/erofs-utils_1.8_amd64.deb"
    return told


def _image(store: Store, name: str, told: dict[str, Any], fill: Callable[[Path], None]) -> Path:
    """Make an image of one layer that `fill` writes, with a SELinux policy's contexts in it."""

    def layer(path: Path) -> None:
        root = path / "root"
        contexts = root / "etc/selinux/default/contexts/files/file_contexts"
        contexts.parent.mkdir(parents=True)
        contexts.write_text("/.*\tsystem_u:object_r:default_t:s0\n")
        fill(root)

    base = store.realise("packages", digest(name), layer)

    def make(path: Path) -> None:
        path.mkdir()
        manifest = {
            "id": digest(["image", name]),
            "inputs": HASHES,
            "root_layers": [f"{base.name}/root"],
            "paths": [base.name],
        }
        (path / MANIFEST).write_text(json.dumps(manifest))
        (path / INPUTS).write_text(json.dumps(told))

    return store.realise(NAMES["root"], digest(["image", name]), make)


def _write(root: Path, files: dict[str, str]) -> None:
    for where, text in files.items():
        (root / where).parent.mkdir(parents=True, exist_ok=True)
        (root / where).write_text(text)


@pytest.fixture(name="images")
def _images(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Return two images that differ in a bit of everything but their policy."""
    monkeypatch.setattr("postolka.diff._policy", lambda _: store.root)
    deb = make_deb(
        tmp_path,
        "postfix",
        {"usr/share/doc/postfix/changelog.Debian.gz": gzip.compress(TEXT.encode())},
    )
    home.debs().mkdir(parents=True)
    deb.rename(home.debs() / f"{'c' * 64}.deb")
    units = "usr/lib/systemd/system"

    def old(root: Path) -> None:
        _write(
            root, {"etc/same": "1", "etc/gone": "1", "etc/own.cf": "1", f"{units}/a.service": ""}
        )
        _write(root, {"usr/bin/postfix": "1"})
        _write(root, {"var/lib/dpkg/info/postfix.list": "/usr/bin/postfix\n"})

    def new(root: Path) -> None:
        _write(root, {"etc/same": "1", "etc/come": "<b>", "etc/own.cf": "22"})
        _write(root, {f"{units}/a.service": "", f"{units}/b.timer": "", "usr/bin/postfix": "2"})
        _write(root, {"var/lib/dpkg/info/postfix.list": "/usr/bin/postfix\n"})
        (root / "etc/same").chmod(0o600)
        (root / "etc/systemd/system/multi-user.target.wants").mkdir(parents=True)
        link = root / "etc/systemd/system/multi-user.target.wants/a.service"
        link.symlink_to("/usr/lib/systemd/system/a.service")

    before, after = _told("3.10.4-1", "a" * 64), _told("3.10.5-1~deb13u2", "c" * 64)
    port = {"number": 143, "protocol": "tcp", "name": "imap", "is_public": True}
    after["ports"] = [port]
    return str(_image(store, "a", before, old)), str(_image(store, "b", after, new))


def test_every_kind_of_difference_is_told(
    images: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Packages with changelog and CVEs, files, modes, units, ports, sizes; exit code 3."""
    assert cli.main(["diff", *images, "--json"]) == 3
    found = json.loads(capsys.readouterr().out)
    (package,) = found["packages"]
    assert package["change"] == "upgraded"
    assert (package["a"], package["b"]) == ("3.10.4-1", "3.10.5-1~deb13u2")
    assert package["cves"] == ["CVE-2026-1234", "CVE-2026-99999"]
    assert [entry["version"] for entry in package["changelog"]] == [
        "3.10.5-1~deb13u2",
        "3.10.5-1~deb13u1",
    ]
    files = {row["path"]: row for row in found["files"]}
    assert files["/etc/gone"]["what"] == ["removed"]
    assert files["/etc/come"]["what"] == ["added"]
    assert files["/etc/own.cf"]["what"] == ["content"]
    assert files["/etc/own.cf"]["size"] == [1, 2]
    assert files["/etc/same"]["what"] == ["mode"]
    assert files["/etc/same"]["mode"] == ["-rw-r--r--", "-rw-------"]
    assert files["/usr/bin/postfix"]["package"] == "postfix"
    units = {row["name"]: (row["a"], row["b"]) for row in found["units"]}
    assert units == {"a.service": ("disabled", "enabled"), "b.timer": (None, "disabled")}
    assert [row["number"] for row in found["ports"]["added"]] == [143]
    assert [row["layer"] for row in found["sizes"]] == ["packages"]


def test_the_text_and_the_page_say_the_same(
    images: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A section a kind; files of upgraded packages are counted; the page escapes."""
    page = tmp_path / "diff.html"
    assert cli.main(["diff", *images, "--html", str(page)]) == 3
    said = capsys.readouterr().out
    for line in (
        "  postfix upgraded: 3.10.4-1 -> 3.10.5-1~deb13u2 (image)",
        "      CVE-2026-1234 CVE-2026-99999",
        "  /etc/own.cf: content (size 1 -> 2)",
        "  /etc/same: mode (mode -rw-r--r-- -> -rw-------)",
        "  1 files of the packages above",
        "  a.service: disabled -> enabled",
        "  + 143/tcp imap (public)",
    ):
        assert line in said.splitlines()
    assert "/usr/bin/postfix:" not in said
    html = page.read_text()
    assert "CVE-2026-1234" in html
    assert "/etc/own.cf: content (size 1 -&gt; 2)" in html
    assert "http" not in html
    assert cli.main(["diff", *images, "--html", str(tmp_path / "no/x")]) == 1
    assert "no such directory" in capsys.readouterr().err


def test_an_image_does_not_differ_from_itself(
    images: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 0."""
    assert cli.main(["diff", images[0], images[0]]) == 0
    assert capsys.readouterr().out == "no differences\n"


def test_a_layer_without_a_record_is_an_error(
    images: tuple[str, str], store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is named, with the next command."""
    for record in (store.root / ".records").glob("*-packages"):
        record.unlink()
    assert cli.main(["diff", *images]) == 1
    assert capsys.readouterr().err.endswith("can be read\nhint: postolka verify\n")


def _entry(path: str, mode: int, content: str = "", attributes: object = ()) -> Entry:
    return [
        path,
        mode,
        0,
        0,
        0,
        content,
        list(attributes) if isinstance(attributes, tuple) else attributes,
    ]


def test_layers_are_seen_as_an_overlay_shows_them() -> None:
    """Deletions, hidden directories, and a file in a directory's place."""
    lower: list[Entry] = [
        _entry("root", _DIRECTORY),
        *(_entry(f"root/{name}", _DIRECTORY) for name in ("a", "b", "c", "d")),
        *(_entry(f"root/{name}/x", _FILE, name) for name in ("a", "b", "c", "d")),
        _entry("files", _DIRECTORY),
    ]
    upper: list[Entry] = [
        _entry("upper", _DIRECTORY),
        _entry("upper/a", _DEVICE, "0"),
        _entry("upper/b", _DIRECTORY, "", [["trusted.overlay.opaque", "79"]]),
        _entry("upper/b/y", _FILE, "new"),
        _entry("upper/c", _FILE, "file"),
        _entry("upper/d/x", _FILE, "other"),
    ]
    found = comparison.merged([(lower, "root"), (upper, "upper")])
    assert sorted(found) == ["/", "/b", "/b/y", "/c", "/d", "/d/x"]
    assert found["/d/x"][5] == "other"
    assert found["/c"][5] == "file"
