"""A build host of Debian 13, without a network, gives the bytes that one of Debian 12 does."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from postolka import formats, home, twins
from postolka.store import Store
from postolka.tools import Tools
from tests import checkouts
from tests.container import stock
from tests.image import homes
from tests.image.conftest import say

if TYPE_CHECKING:
    from postolka.build import Built
    from postolka.debs import Debs
    from postolka.lock import Lock

#: Debian 13's Python, and what a build imports that isn't Debian's there.
_PYTHON = "3.13"
_LIBRARIES = ("pyinfra~=3.10", "jinja2>=3.1", "pyyaml>=6", "cryptography>=43", "bcrypt>=4")
_PLACE = f"/usr/local/lib/python{_PYTHON}/dist-packages"
_HOME = Path("/srv/home")


@pytest.fixture(name="libraries", scope="module")
def _libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the libraries for that Python, and how pyinfra finds our connector."""
    directory = tmp_path_factory.mktemp("libraries") / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    options = ["--only-binary=:all:", f"--python-version={_PYTHON}", f"--target={directory}"]
    subprocess.run([*pip, *options, *_LIBRARIES], check=True)
    # As it is installed here, or built in the checkout: pyinfra asks for the entry points alone.
    own = metadata.distribution("postolka")
    described = directory / f"postolka-{own.version}.dist-info"
    described.mkdir()
    (described / "METADATA").write_text(f"Name: postolka\nVersion: {own.version}\n")
    (described / "entry_points.txt").write_text(own.read_text("entry_points.txt") or "")
    return directory


@pytest.mark.soak
def test_debian_13_builds_the_same(  # noqa: PLR0913, PLR0917
    disk: Built, toolbox: Tools, locked: Lock, debs: Debs, libraries: Path, tmp_path: Path
) -> None:
    """From nothing but the locked packages: every layer, the disk and its qcow2."""
    host = Tools(root=stock.root(locked, toolbox, Store(home.store()), debs), key="")
    version = host.run(["cat", "/etc/debian_version"]).decode()
    assert version.startswith("13")
    homes.fill(tmp_path / "home", debs)
    (tmp_path / "home/debs").unlink()
    (tmp_path / "home/debs").symlink_to("/debs")
    said = host.run(
        ["python3", "-P", "-m", "postolka", "build", "--json", "--format", "qcow2"],
        binds={"/checkout": checkouts.copy(tmp_path / "checkout", locked), _PLACE: libraries},
        # Who takes a package from the cache notes that it was used.
        writes={str(_HOME): tmp_path / "home", "/debs": debs.directory},
        environment={
            "PYTHONPATH": "/checkout",
            "PYTHONDONTWRITEBYTECODE": "1",
            "POSTOLKA_HOME": str(_HOME),
        },
    )
    answer = json.loads(said)
    there, qcow2 = (
        tmp_path / "home" / Path(answer[name]).relative_to(_HOME) for name in ("path", "disk")
    )
    layers = twins.layers(disk.path, there, say)
    converted = formats.realise(Store(home.store()), disk, "qcow2", say)
    layers.append(twins.layer("qcow2", converted.parent, qcow2.parent))
    assert [problem for layer in layers for problem in layer.problems] == []
    assert len(layers) == len(twins.LAYERS) + 1
