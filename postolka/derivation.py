"""From inputs to keys: which image a checkout, its settings and its lock stand for.

    fast key   over raw bytes of everything that could matter; finds an image in the store without
               importing pyinfra or rendering anything
    image id   over what matters: the locked packages, the rendered plan, the policies, and the code
               that makes layers; the same whenever the image would be

Pure but for reading the checkout.
"""

from __future__ import annotations

import hashlib
import sys
from importlib import metadata
from typing import TYPE_CHECKING, Any

from postolka import home
from postolka.store import digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from postolka.lock import Lock

#: Raised when the same inputs are to give another image.
FORMAT = 3
LOCK = "postolka.lock"
GROUP_DATA = "group_data"
#: Sets of the lock that an image is made from; the lab's isn't among them.
SETS = ("image", "kernel", "tools")

#: All that could change an image, relative to the checkout.
INPUTS = ("cloud-init", "postolka", "pyinfra_deploys", GROUP_DATA)
#: Libraries that take part in rendering and planning.
_LIBRARIES = ("jinja2", "pyinfra")
#: Code whose every byte counts as part of the image's recipe, relative to the checkout. The rooms
#: count by the plan that they make, not by their code.
_RECIPE = ("postolka/boot", "postolka/layers", "postolka/tools.py", "pyinfra_deploys/connectors")


def locks(checkout: Path, *, temporary: bool) -> list[Path]:
    """Return the locks that there are, best first: the checkout's, then the temporary one."""
    paths = [checkout / LOCK]
    if temporary:
        paths.append(temporary_lock(checkout))
    return [path for path in paths if path.exists()]


def temporary_lock(checkout: Path) -> Path:
    """Return where a lock is kept that stands in for the checkout's one, as it is now."""
    own = checkout / LOCK
    key = _bytes_hash([own] if own.exists() else [], checkout)
    return home.home() / "locks" / f"{key[:32]}.lock"


def fast_key(checkout: Path, lock: Path, profile: str = "") -> str:
    """Return a hash over the bytes of everything that could change a profile's image."""
    files = [path for name in INPUTS for path in _files(checkout / name)]
    versions = [sys.version, *(metadata.version(library) for library in _LIBRARIES)]
    hashes = [_bytes_hash(files, checkout), _bytes_hash([lock], lock.parent)]
    return digest([FORMAT, *hashes, versions, profile])


def inputs(lock: Lock, plan: list[dict[str, Any]], checkout: Path) -> dict[str, str]:
    """Return the hash of each input of an image, by its name; `image_id` is over these."""
    packages = [
        [name, [[p.name, p.version, p.architecture, p.sha256] for p in lock.of(name)]]
        for name in SETS
    ]
    policies = sorted((checkout / "pyinfra_deploys").glob("*/policy.cil"))
    recipe = [path for name in _RECIPE for path in _files(checkout / name)]
    return {
        "lock": digest([packages, lock.source_date_epoch]),
        "plan": digest(plan),
        "policies": _bytes_hash(policies, checkout),
        "recipe": _bytes_hash(recipe, checkout),
        "format": str(FORMAT),
    }


def image_id(hashes: dict[str, str]) -> str:
    """Return the id of the image that is made from inputs with these hashes."""
    return digest(["image", hashes])


def files(checkout: Path) -> dict[str, str]:
    """Return the hash of every file that could change an image, by its path in the checkout."""
    found = [path for name in INPUTS for path in _files(checkout / name)]
    return {str(path.relative_to(checkout)): _bytes_hash([path], checkout) for path in found}


def is_recipe(path: str) -> bool:
    """Whether a file of the checkout counts as part of the recipe, by its path there."""
    return any(path == name or path.startswith(f"{name}/") for name in _RECIPE)


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        for child in sorted(path.iterdir()):
            if child.name != "__pycache__":
                yield from _files(child)
    elif path.exists() or path.is_symlink():
        yield path


def _bytes_hash(paths: Iterable[Path], base: Path) -> str:
    """Return a hash over names, links, executable bits and contents."""
    sink = hashlib.sha256()
    for path in paths:
        if path.is_symlink():
            kind, content = "link", str(path.readlink()).encode()
        else:
            kind = "program" if path.stat().st_mode & 0o100 else "file"
            content = path.read_bytes()
        sink.update(f"{kind} {path.relative_to(base)} {len(content)}\n".encode())
        sink.update(content)
    return sink.hexdigest()
