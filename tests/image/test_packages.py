"""The package layer holds the locked packages and nothing of the place that made it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from postolka import home, lock
from postolka.layers import accounts, clean, standins
from pyinfra_deploys import server
from tests.image.processes import mounts_below, running_with, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from postolka.lock import Lock
    from postolka.tools import Tools


def _installed(root: Path) -> set[tuple[str, str, str]]:
    """Return (name, version, status) of every package that dpkg knows in the root."""
    status = (root / "var/lib/dpkg/status").read_text()
    return {
        tuple(
            next(iter(re.findall(rf"^{field}: (.*)$", stanza, re.MULTILINE)))
            for field in ("Package", "Version", "Status")
        )
        for stanza in status.strip().split("\n\n")
    }


def test_exactly_the_locked_packages_are_installed(root: Path, locked: Lock) -> None:
    """Each package of the image's set is there in its locked version, and no other."""
    assert _installed(root) == {
        (package.name, package.version, "install ok installed") for package in locked.of("image")
    }


def test_ids_are_the_rooms(root: Path) -> None:
    """Every account has its pinned id, and every file belongs to an account."""
    accounts.check(server.users(server.all_rooms()), root)
    known = {
        kind: {int(line.split(":")[2]) for line in (root / "etc" / kind).read_text().splitlines()}
        for kind in ("passwd", "group")
    }
    for path in root.rglob("*"):
        status = path.lstat()
        assert status.st_uid in known["passwd"], path
        assert status.st_gid in known["group"], path


def test_traces_and_secrets_are_gone(root: Path) -> None:
    """Nothing is left that depends on time or place, nor a secret that a script made."""
    assert [path for pattern in clean.REMOVED for path in root.glob(pattern)] == []
    assert (root / "etc/machine-id").read_text() == ""


def test_no_stand_in_is_left(root: Path) -> None:
    """The programs that were replaced during the installation are Debian's again."""
    assert not (root / standins.NOTES.lstrip("/")).exists()
    listing = (root / "var/lib/dpkg/diversions").read_text().split()
    assert not set(standins.PROGRAMS) & set(listing)
    for path in standins.PROGRAMS:
        program = root / path.lstrip("/")
        assert not program.with_name(f"{program.name}.real").exists()
        if program.exists():
            assert program.stat().st_size > len(standins.PROGRAMS[path]) + 100


def test_units_are_enabled_as_by_debian(root: Path) -> None:
    """Enabling was only noted, too, and so was taking it back."""
    wanted = root / "etc/systemd/system/multi-user.target.wants"
    assert (wanted / "ssh.service").is_symlink()
    assert not (wanted / "apache-htcacheclean.service").exists()
    state = root / "var/lib/systemd/deb-systemd-helper-enabled"
    assert "ssh.service.dsh-also" in {path.name for path in state.iterdir()}


def test_python_modules_are_compiled(root: Path) -> None:
    """Nothing is compiled at boot on a read-only root: what was only noted did run."""
    for package in ("jinja2", "yaml", "cloudinit"):
        assert list((root / f"usr/lib/python3/dist-packages/{package}/__pycache__").glob("*.pyc"))
    library = root / "usr/lib/python3.13"
    sources = {path.stem for path in library.glob("*.py")} - {"sitecustomize"}
    compiled = {path.name.partition(".")[0] for path in (library / "__pycache__").glob("*.pyc")}
    assert sources <= compiled
    # One that holds its source's date was written by who imported the module, in passing.
    for path in root.glob("usr/**/*.pyc"):
        flags = int.from_bytes(path.read_bytes()[4:8], "little")
        assert flags == 0b11, f"{path}: not checked by its source's hash (PEP 552)"


def test_modules_of_php_and_apache_are_enabled_as_by_debian(root: Path) -> None:
    """Those were only noted as well; PHP's for each of its kinds."""
    available = {path.stem for path in root.glob("etc/php/8.4/mods-available/*.ini")}
    for kind in ("cli", "fpm"):
        links = list((root / f"etc/php/8.4/{kind}/conf.d").iterdir())
        assert {link.stem.partition("-")[2] for link in links} == available
        assert all(str(link.readlink()).endswith(f"/{link.name[3:]}") for link in links)
        state = root / f"var/lib/php/modules/8.4/{kind}/enabled_by_maint"
        assert {path.name for path in state.iterdir()} == available
    for link in ("mods-enabled/mpm_event.load", "conf-enabled/postfixadmin.conf"):
        assert (root / "etc/apache2" / link).is_symlink()
    assert (root / "etc/apache2/sites-enabled/000-default.conf").is_symlink()


def test_certificates_and_hardware_database_are_joined(root: Path) -> None:
    """So did what makes one file of many."""
    assert (root / "etc/ssl/certs/ca-certificates.crt").stat().st_size > 100_000
    assert (root / "usr/lib/udev/hwdb.bin").stat().st_size > 1 << 20


def test_copyright_stays_and_manuals_go(root: Path) -> None:
    """Each package keeps its licence; what only people at a terminal read is left out."""
    documents = root / "usr/share/doc"
    assert (documents / "bash/copyright").exists()
    left = {path.name for path in documents.glob("*/*")}
    assert left == {"copyright"}
    assert list((root / "usr/share/man").iterdir()) == []


_PROGRAM = """
import sys
from pathlib import Path
from postolka import debs, home, lock, store, tools
from postolka.layers import packages
from pyinfra_deploys import server
where, root, key, text = sys.argv[1:]
rooms = server.all_rooms()
packages.realise(
    lock.parse(Path(text).read_text()), tools.Tools(Path(root), key),
    server.users(rooms), [line for room in rooms for line in room.debconf],
    store=store.Store(Path(where) / "store"), debs=debs.Debs(home.debs()),
    log=Path(where) / "build.log", progress=print,
)
"""


def test_killed_build_leaves_nothing(
    toolbox: Tools, locked: Lock, root: Path, tmp_path: Path
) -> None:
    """After SIGKILL amid the installation no process, mount or half result is there."""
    assert root.exists()
    (tmp_path / "lock").write_text(lock.serialise(locked))
    words = [sys.executable, "-c", _PROGRAM, tmp_path, toolbox.root, toolbox.key, tmp_path / "lock"]
    log = tmp_path / "build-packages.log"
    with subprocess.Popen(list(map(str, words)), cwd=home.CHECKOUT) as program:
        assert wait_until(lambda: log.exists() and "Unpacking" in log.read_text(), 60)
        program.send_signal(signal.SIGKILL)
    assert wait_until(lambda: not running_with(str(tmp_path)))
    assert wait_until(lambda: not running_with("/build/root"))
    assert mounts_below(tmp_path) == []
    assert list((tmp_path / "store").glob("[!.]*")) == []
