"""Keys: equal for equal inputs, different for whatever could change an image."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from postolka import derivation, home
from postolka.lock import Lock, Package, Suite

if TYPE_CHECKING:
    from pathlib import Path

LOCK = Lock(
    suites=(
        Suite(archive="debian", suite="stable", codename="trixie", date="2026-01-31T12:00:00Z"),
    ),
    wanted={"image": ("a",), "kernel": (), "tools": (), "lab": ()},
    packages=tuple(
        Package(
            name=name,
            version="1",
            architecture="amd64",
            archive="debian",
            path=f"pool/{name}.deb",
            size=1,
            sha256=name * 64,
            sets=(kind,),
        )
        for name, kind in (("a", "image"), ("b", "lab"))
    ),
)


@pytest.fixture(name="checkout")
def _checkout(tmp_path: Path) -> Path:
    """Return a checkout with one file of each kind."""
    for name in (
        "postolka/layers/image.py",
        "postolka/vm.py",
        "pyinfra_deploys/connectors/rootfs.py",
        "pyinfra_deploys/postfix/policy.cil",
        "pyinfra_deploys/postfix/rootfs/etc/main.cf",
        "cloud-init/cloud.cfg.d/90.cfg",
        "group_data/all.py",
        "postolka.lock",
    ):
        path = tmp_path / "checkout" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "checkout"


def _fast(checkout: Path) -> str:
    return derivation.fast_key(checkout, checkout / derivation.LOCK)


def _id(checkout: Path, lock: Lock = LOCK, plan: str = "plan") -> str:
    return derivation.image_id(derivation.inputs(lock, [{"name": plan}], checkout))


def test_keys_dont_depend_on_the_place(checkout: Path, tmp_path: Path) -> None:
    """A copy of the checkout elsewhere has the same keys."""
    copy = tmp_path / "copy"
    shutil.copytree(checkout, copy)
    assert _fast(copy) == _fast(checkout)
    assert _id(copy) == _id(checkout)


@pytest.mark.parametrize(
    "name",
    [
        "postolka/vm.py",
        "pyinfra_deploys/postfix/rootfs/etc/main.cf",
        "cloud-init/cloud.cfg.d/90.cfg",
        "group_data/all.py",
        "postolka.lock",
    ],
)
def test_every_input_byte_is_in_the_fast_key(checkout: Path, name: str) -> None:
    """An image is never found by inputs that it wasn't made from."""
    before = _fast(checkout)
    (checkout / name).write_text("other")
    assert _fast(checkout) != before


def test_names_links_and_executable_bits_are_in_the_fast_key(checkout: Path) -> None:
    """They reach the image as well as contents do."""
    keys = {_fast(checkout)}
    path = checkout / "pyinfra_deploys/postfix/rootfs/etc/main.cf"
    path.chmod(0o755)
    keys.add(_fast(checkout))
    path.rename(path.with_name("master.cf"))
    keys.add(_fast(checkout))
    path.symlink_to("master.cf")
    keys.add(_fast(checkout))
    assert len(keys) == 4


def test_bytecode_is_no_input(checkout: Path) -> None:
    """Running Python must not make another key."""
    before = _fast(checkout)
    (checkout / "postolka/__pycache__").mkdir()
    (checkout / "postolka/__pycache__/vm.pyc").write_bytes(b"x")
    assert _fast(checkout) == before


def test_the_id_is_over_what_matters(checkout: Path) -> None:
    """Plan, policies, layers and packages of the image count; the VM's code doesn't."""
    first = _id(checkout)
    (checkout / "postolka/vm.py").write_text("other")
    assert _id(checkout) == first
    assert _id(checkout, plan="other") != first
    for name in ("postolka/layers/image.py", "pyinfra_deploys/postfix/policy.cil"):
        before = _id(checkout)
        (checkout / name).write_text("other")
        assert _id(checkout) != before


def test_only_the_images_own_packages_are_in_the_id(checkout: Path) -> None:
    """Another version in the image is another image; one in the lab isn't."""
    image, lab = LOCK.packages
    assert _id(checkout, replace(LOCK, packages=(image, replace(lab, version="2")))) == _id(
        checkout
    )
    assert _id(checkout, replace(LOCK, packages=(replace(image, version="2"), lab))) != _id(
        checkout
    )


def test_a_temporary_lock_belongs_to_the_lock_it_stands_in_for(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refreshed lock is used at once: the temporary one of the old lock is found no more."""
    monkeypatch.setenv("POSTOLKA_HOME", str(tmp_path / "home"))
    path = derivation.temporary_lock(checkout)
    assert path.is_relative_to(home.home())
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    assert derivation.locks(checkout, temporary=True) == [checkout / "postolka.lock", path]
    assert derivation.locks(checkout, temporary=False) == [checkout / "postolka.lock"]
    (checkout / "postolka.lock").write_text("refreshed")
    assert derivation.locks(checkout, temporary=True) == [checkout / "postolka.lock"]
