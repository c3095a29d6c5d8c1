"""A part of a lock is updated by the host's own apt from small signed archives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from postolka import apt, cli, home, lock, mirrors, wants
from tests.unit import archives

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.unit.archives import Archives

pytestmark = pytest.mark.skipif(
    bool(archives.missing()), reason=f"needs {', '.join(archives.PROGRAMS)}: run on Debian"
)
WANTED: dict[str, tuple[str, ...]] = {
    "image": ("mta", "web"),
    "kernel": ("linux-image-amd64",),
    "tools": ("web",),
    "lab": ("mta",),
    "clients": (),
    "mkosi": (),
    "mkosi-image": (),
}
SECURITY = "trixie-security"


@pytest.fixture(name="archive")
def _archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archives]:
    """Return archives of which an empty checkout has just made its lock."""
    for name in ("archives", "checkout"):
        (tmp_path / name).mkdir()
    for archive in archives.signed(tmp_path / "archives"):
        for name, variable in mirrors.VARIABLES.items():
            monkeypatch.setenv(variable, f"file:{archive.directory / name}")
        monkeypatch.setenv("POSTOLKA_HOME", str(tmp_path / "home"))
        monkeypatch.setattr(apt, "KEYRING", archive.keyring)
        monkeypatch.setattr(home, "CHECKOUT", tmp_path / "checkout")
        monkeypatch.setattr(wants, "wanted", lambda: WANTED)
        for suite in (*apt.SUITES["debian"], SECURITY):
            archive.offer("unrelated", "1", suite=suite)
        archive.offer("base", "1", "Essential: yes")
        archive.offer("mta", "1", "Depends: libmail, libold, mta-tables")
        archive.offer("mta-tables", "1", "Depends: mta (= 1)", source="mta")
        archive.offer("libmail", "1", "Provides: mail-abi-1")
        archive.offer("libold", "1")
        archive.offer("web", "1", "Depends: libmail, mail-abi-1")
        archive.offer("linux-image-amd64", "1", "Depends: linux-image-1-amd64, libmail")
        archive.offer("linux-image-1-amd64", "1", source="linux")
        archive.sign(1)
        assert cli.main(["lock"]) == 0
        yield archive


def _locked() -> lock.Lock:
    return lock.parse((home.CHECKOUT / "postolka.lock").read_text())


def _versions() -> dict[str, str]:
    return {package.name: package.version for package in _locked().packages}


def test_everything_moves_without_names(
    archive: Archives, capsys: pytest.CaptureFixture[str]
) -> None:
    """The changes are told by kind, with sets and dates, before the line about the new lock."""
    archive.offer("web", "2", "Depends: libnew")
    archive.offer("libnew", "1")
    archive.offer("mta", "1+b1", "Depends: libmail, mta-tables")
    archive.offer("mta-tables", "1+b1", source="mta")
    archive.sign(2)
    capsys.readouterr()
    assert cli.main(["lock", "--update"]) == 0
    path = home.CHECKOUT / "postolka.lock"
    assert capsys.readouterr().out.splitlines() == [
        "packages: 5",
        "  libnew added: 1 (image, tools)",
        "  libold removed: 1 (image, lab)",
        "  mta upgraded: 1 -> 1+b1 (image, lab)",
        "  mta-tables upgraded: 1 -> 1+b1 (image, lab)",
        "  web upgraded: 1 -> 2 (image, tools)",
        "sets: 1",
        "  libmail: image, tools, lab -> image, lab",
        "suites: 3",
        *(
            f"  {suite}: 2026-01-01T12:00:00Z -> 2026-01-02T12:00:00Z"
            for suite in ("trixie", "trixie-updates", SECURITY)
        ),
        f"{path}: 7 packages",
    ]


def test_a_dry_run_tells_and_writes_nothing(
    archive: Archives, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 3 and the changes, or 0 where there are none; the lock's bytes stay."""
    path = home.CHECKOUT / "postolka.lock"
    before = path.read_bytes()
    assert cli.main(["lock", "--update", "--dry-run"]) == 0
    archive.offer("libmail", "2", "Provides: mail-abi-1")
    archive.sign(2)
    capsys.readouterr()
    assert cli.main(["lock", "--update", "--dry-run"]) == 3
    assert "libmail upgraded: 1 -> 2" in capsys.readouterr().out
    assert cli.main(["lock", "--update", "web", "--dry-run"]) == 0
    assert path.read_bytes() == before


def test_a_name_moves_its_source_and_no_more(archive: Archives) -> None:
    """Packages of one source move together, also in other sets; what fits stays; garbage goes."""
    before = {package.name: package for package in _locked().packages}
    archive.offer("mta", "2", "Depends: libmail, mta-tables")
    archive.offer("mta-tables", "2", "Depends: mta (= 2)", source="mta")
    for name in ("libmail", "web", "base"):
        archive.offer(name, "2", "Provides: mail-abi-1", *["Essential: yes"] * (name == "base"))
    archive.sign(2)
    assert cli.main(["lock", "--update", "mta"]) == 0
    after = {package.name: package for package in _locked().packages}
    assert {name for name in before if before[name] != after.get(name)} == {
        "mta",
        "mta-tables",
        "libold",
    }
    assert (after["mta"].version, after["mta-tables"].version) == ("2", "2")
    assert "libold" not in after
    assert _locked().suites[0].date == "2026-01-02T12:00:00Z"


def test_what_a_name_needs_moves_in_every_set(archive: Archives) -> None:
    """A library that the new version needs is upgraded for its other users, too."""
    archive.offer("mta", "2", "Depends: libmail (>= 2), mta-tables, libnew")
    archive.offer("mta-tables", "2", source="mta")
    archive.offer("libmail", "2", "Provides: mail-abi-1")
    archive.offer("libnew", "1")
    archive.offer("web", "2", "Depends: libmail")
    archive.sign(2)
    assert cli.main(["lock", "--update", "mta"]) == 0
    versions = _versions()
    assert versions["libmail"] == versions["mta"] == "2"
    assert versions["libnew"] == versions["web"] == versions["base"] == "1"
    assert {p.name: p.sets for p in _locked().packages}["libmail"] == ("image", "tools", "lab")


def test_what_no_longer_fits_moves_with_a_name(archive: Archives) -> None:
    """A package that the new version breaks is upgraded rather than the set left unresolved."""
    archive.offer("libmail", "2", "Provides: mail-abi-2", "Breaks: web (<< 2)")
    archive.offer("web", "2", "Depends: mail-abi-2")
    archive.offer("base", "2", "Essential: yes")
    archive.sign(2)
    assert cli.main(["lock", "--update", "libmail"]) == 0
    assert _versions() == {**_versions(), "libmail": "2", "web": "2", "mta": "1", "base": "1"}


def test_a_part_that_can_not_be_had_changes_nothing(
    archive: Archives, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where nothing fits what is new, apt's reason is shown and the lock stays."""
    before = _locked()
    archive.offer("mta", "2", "Depends: nowhere")
    archive.sign(2)
    assert cli.main(["lock", "--update", "mta"]) == 1
    said = capsys.readouterr().err
    assert "the set image: can't be resolved" in said
    assert "nowhere" in said
    assert _locked() == before


def test_locked_versions_that_left_the_index_stay(archive: Archives) -> None:
    """They are described by their .deb, here from the pool, and keep version and hash."""
    before = {package.name: package for package in _locked().packages}
    archive.offer("libmail", "2", "Provides: mail-abi-2")
    archive.offer("web", "2", "Depends: mail-abi-1")
    archive.sign(2)
    assert cli.main(["lock", "--update", "web"]) == 0
    after = {package.name: package for package in _locked().packages}
    assert after["web"].version == "2"
    assert after["libmail"] == before["libmail"]


def test_what_nobody_has_may_need_everything(
    archive: Archives, capsys: pytest.CaptureFixture[str]
) -> None:
    """A locked .deb that is nowhere is kept, and so is all that it may need; that is told."""
    archive.offer("web", "2", "Depends: libmail, mail-abi-1")
    archive.offer("libold", "2")
    archive.offer("mta", "2")
    archive.offer("libmail", "2", "Provides: mail-abi-1")
    for name in ("mta", "libmail"):
        (old,) = archive.directory.glob(f"debian/pool/main/*/{name}/{name}_1_*.deb")
        old.unlink()
    archive.sign(2)
    assert cli.main(["lock", "--update", "web"]) == 0
    said = capsys.readouterr().err
    assert "mta: 1: is no longer there; kept as if it needed all of its set" in said
    assert "Debian's snapshot service may still have them" in said
    versions = _versions()
    assert versions["web"] == "2"
    assert versions["mta"] == versions["libold"] == versions["libmail"] == "1"


def test_a_new_wish_comes_with_a_part(archive: Archives, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a room names anew is added by its name, at no cost to the others."""
    archive.offer("extra", "1", "Depends: libmail")
    archive.offer("libmail", "2", "Provides: mail-abi-1")
    archive.sign(2)
    monkeypatch.setattr(wants, "wanted", lambda: {**WANTED, "clients": ("extra",)})
    assert cli.main(["lock", "--update", "extra"]) == 0
    versions = _versions()
    assert (versions["extra"], versions["libmail"]) == ("1", "1")
    assert cli.main(["lock"]) == 0


def test_an_unknown_name_is_refused(archive: Archives, capsys: pytest.CaptureFixture[str]) -> None:
    """A typing error is told before anything is fetched."""
    assert archive.directory.exists()
    assert cli.main(["lock", "--update", "mta", "pstfix"]) == 1
    said = capsys.readouterr().err
    assert "pstfix: is no package of the lock's" in said
    assert "mta:" not in said


def test_the_kernel_moves_by_its_name_alone(archive: Archives) -> None:
    """Of the kernel's set the image of the newest kernel counts; other parts leave it."""
    archive.offer("linux-image-amd64", "2", "Depends: linux-image-2-amd64")
    archive.offer("linux-image-2-amd64", "2", source="linux")
    archive.offer("web", "2")
    archive.sign(2)
    assert cli.main(["lock", "--update", "web"]) == 0
    assert "linux-image-1-amd64" in _versions()
    assert cli.main(["lock", "--update", "linux-image-amd64"]) == 0
    versions = _versions()
    assert "linux-image-2-amd64" in versions
    assert "linux-image-1-amd64" not in versions


def test_security_takes_what_its_archive_brings(
    archive: Archives, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fixes are taken at the security archive's version; an ordinary upgrade waits."""
    assert cli.main(["lock", "--security"]) == 0
    assert "nothing to change" in capsys.readouterr().out
    archive.offer("libmail", "1+deb13u1", "Provides: mail-abi-1", suite=SECURITY)
    archive.offer("libmail", "3", "Provides: mail-abi-1")
    archive.offer("web", "2")
    archive.offer("libold", "0.9", suite=SECURITY)
    archive.offer("other", "5", suite=SECURITY)
    archive.sign(2)
    assert cli.main(["lock", "--security"]) == 0
    (fixed,) = (package for package in _locked().packages if package.name == "libmail")
    assert (fixed.version, fixed.archive) == ("1+deb13u1", "debian-security")
    assert _versions() == {**_versions(), "web": "1", "libold": "1", "mta": "1"}
    assert "other" not in _versions()


def test_security_takes_a_fix_that_a_point_release_has_too(archive: Archives) -> None:
    """The same version in both archives is a fix."""
    for suite in (SECURITY, apt.CODENAME):
        archive.offer("libold", "1+deb13u1", suite=suite)
    archive.sign(2)
    assert cli.main(["lock", "--security"]) == 0
    assert _versions()["libold"] == "1+deb13u1"


def test_security_takes_a_kernel_from_its_archive_only(archive: Archives) -> None:
    """A kernel of the main archive isn't a fix; one of the security archive is."""
    archive.offer("linux-image-amd64", "2", "Depends: linux-image-2-amd64")
    archive.offer("linux-image-2-amd64", "2", source="linux")
    archive.sign(2)
    assert cli.main(["lock", "--security"]) == 0
    assert "linux-image-1-amd64" in _versions()
    archive.offer("linux-image-amd64", "3", "Depends: linux-image-3-amd64", suite=SECURITY)
    archive.offer("linux-image-3-amd64", "3", source="linux", suite=SECURITY)
    archive.sign(3)
    assert cli.main(["lock", "--security"]) == 0
    assert "linux-image-3-amd64" in _versions()


def test_an_export_is_a_mirror_of_what_is_locked(
    archive: Archives,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Every .deb lies at its place of its archive, with the locked bytes; a second run mends."""
    directory = tmp_path / "usb/mirror"
    capsys.readouterr()
    assert cli.main(["lock", "--export", str(directory)]) == 0
    said = capsys.readouterr()
    assert said.out == f"{directory}: {len(_versions())} packages, 0 MiB\n"
    assert f"POSTOLKA_MIRROR=file:{directory}/debian postolka build" in said.err
    files = [path for path in directory.rglob("*") if path.is_file()]
    assert len(files) == len(_versions())
    files[0].write_bytes(b"spoilt")
    assert cli.main(["lock", "--export", str(directory)]) == 0
    # Now it stands in for the archives, which are no longer there.
    archive.directory.rename(tmp_path / "away")
    monkeypatch.setenv("POSTOLKA_MIRROR", f"file:{directory}/debian")
    monkeypatch.delenv("POSTOLKA_SECURITY_MIRROR")
    monkeypatch.setenv("POSTOLKA_HOME", str(tmp_path / "other"))
    assert cli.main(["lock", "--export", str(tmp_path / "copy")]) == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "copy").rglob("*.deb")} == {
        path.name: path.read_bytes() for path in files
    }
