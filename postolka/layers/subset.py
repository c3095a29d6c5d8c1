"""Which of the lock's packages an image is made of whose settings leave rooms out.

A store path with `packages.json`, the names. apt finds them in the tools root, among the locked
packages alone: the lock needs no set of its own for each choice of settings.
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from postolka.apt import INSTALLED, essential
from postolka.layers import repository
from postolka.store import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from postolka.debs import Debs
    from postolka.lock import Lock
    from postolka.store import Store
    from postolka.tools import Tools

NAME = "subset"
_FILE = "packages.json"
#: Raised when this module finds other packages from the same inputs and script.
FORMAT = 1

# $1 is the suite, the rest is what an empty system is to have.
_FIND = """\
set -eu
cd "$(mktemp -d)"
mkdir -p lists/partial cache/archives/partial
: >status
echo "deb [trusted=yes] file:///repository $1 main" >sources.list
shift
get() {
    apt-get -q -o Dir::State="$PWD" -o Dir::State::status="$PWD/status" \
        -o Dir::State::lists="$PWD/lists" -o Dir::Cache="$PWD/cache" \
        -o Dir::Etc::sourcelist="$PWD/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o APT::Architecture=amd64 -o APT::Install-Recommends=false \
        -o Acquire::Languages=none -o APT::Sandbox::User=root "$@"
}
get update >&2
get install --simulate --yes "$@"
"""


def apply(  # noqa: PLR0913 - each is one input of the layer
    lock: Lock,
    names: Iterable[str],
    tools: Tools,
    *,
    store: Store,
    debs: Debs,
    progress: Callable[[str], None],
) -> Lock:
    """Return the lock as if its image were of `names` alone.

    Raises CommandError with apt's words where the locked packages don't do.
    """
    wanted = tuple(sorted(names))
    if wanted == tuple(sorted(lock.wanted["image"])):
        return lock
    packages = lock.of("image")
    at = [[package.name, package.version, package.sha256] for package in packages]

    def make(path: Path) -> None:
        progress("finding the packages that the settings leave")
        debs.fetch(packages, progress)
        path.mkdir()
        repository.write(packages, debs, path / "repository", lock.source_date_epoch)
        index = (path / "repository" / repository.INDEX).read_text()
        needed = {*wanted, *essential(index.split("\n\n"))}
        plan = tools.run(
            ["sh", "-c", _FIND, "find", repository.SUITE, *sorted(needed)],
            binds={"/repository": path / "repository"},
        )
        found = sorted(name for name, _ in INSTALLED.findall(plan.decode()))
        shutil.rmtree(path / "repository")
        (path / _FILE).write_text(json.dumps(found) + "\n")

    key = digest([NAME, FORMAT, _FIND, tools.key, wanted, at])
    left = set(json.loads((store.realise(NAME, key, make) / _FILE).read_text()))
    return lock.only("image", wanted, left)
