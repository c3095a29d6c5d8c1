"""The checkout's own image is as it was made, and a bit that flips in a copy of it is found."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from postolka import generation, home, verification
from postolka.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from postolka.build import Built


def _ignore(_: str) -> None:
    pass


def test_the_image_is_as_it_was_made(built: Built) -> None:
    """Every layer's files have the content, mode, owner and attributes of their record."""
    store = Store(home.store())
    assert verification.verify(store, generation.needs(built.path), _ignore) == []


def test_a_flipped_bit_in_the_configured_root_is_found(built: Built, tmp_path: Path) -> None:
    """In a real layer, by the name of the one file that it is in."""
    layer = built.root_layers[0].parent
    copy = Store(tmp_path / "store")
    (copy.root / ".records").mkdir(parents=True)
    shutil.copytree(layer, copy.root / layer.name, symlinks=True)
    shutil.copy(Store(home.store()).record(layer.name), copy.record(layer.name))
    target = copy.root / layer.name / "upper/etc/postfix/master.cf"
    content = target.read_bytes()
    with target.open("r+b") as file:
        file.seek(100)
        file.write(bytes([content[100] ^ 0x10]))
    problems = [str(one) for one in verification.verify(copy, [layer.name], _ignore)]
    assert f"{layer.name}/upper/etc/postfix/master.cf: content differs" in problems
