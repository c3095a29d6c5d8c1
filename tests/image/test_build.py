"""`postolka build` with bad input, interrupted and killed: a clear error, and nothing left."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from postolka import build, derivation, home
from postolka.errors import PostolkaError
from postolka.store import Store
from tests import checkouts
from tests.image.conftest import say
from tests.image.processes import mounts_below, running_with, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from postolka.build import Built
    from postolka.debs import Debs
    from postolka.lock import Lock


@pytest.fixture(name="checkout")
def _checkout(tmp_path: Path, locked: Lock) -> Path:
    """Return a copy of the checkout, to break."""
    return checkouts.copy(tmp_path / "checkout", locked)


@pytest.fixture(name="own_home")
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, debs: Debs) -> Path:
    """Return an empty home with the machine's own cache of packages."""
    directory = tmp_path / "home"
    directory.mkdir()
    (directory / "debs").symlink_to(debs.directory)
    monkeypatch.setenv("POSTOLKA_HOME", str(directory))
    return directory


def test_the_second_build_answers_from_the_store(built: Built) -> None:
    """By the bytes of the inputs alone: nothing is planned, nothing is said."""
    said: list[str] = []
    assert build.realise(want="root", progress=said.append, temporary_lock=True) == built
    assert said == []


def test_the_answer_needs_no_pyinfra(built: Built) -> None:
    """Its import alone would take longer than the answer may."""
    code = (
        "import sys; from postolka import build, home; "
        "found = build.recall(home.CHECKOUT, want='root', temporary_lock=True); "
        f"assert found and found.id == {built.id!r}; "
        "assert not {'pyinfra', 'gevent', 'jinja2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=home.CHECKOUT, check=True)


def test_a_broken_lock_is_an_error_even_where_one_may_stand_in(
    checkout: Path, own_home: Path
) -> None:
    """A temporary lock is for packages that have left the mirror, not for damage."""
    (checkout / derivation.LOCK).write_text('{"format": 1')
    with pytest.raises(PostolkaError, match="not JSON") as caught:
        build.realise(checkout, want="root", progress=say, temporary_lock=True)
    assert caught.value.hint == "postolka lock --update"
    assert not (own_home / "store").exists()


def test_an_unknown_image_is_an_error() -> None:
    """A name that is no id can't reach another file, either."""
    for name in ("0" * 12, "../../etc", ""):
        with pytest.raises(PostolkaError, match=r"no such image|begins so"):
            build.find(name)


def _left_after_next(store: Store) -> list[Path]:
    """Have the store make something else, and return what is left there half made."""
    store.realise("next", secrets.token_hex(), lambda path: path.mkdir())
    return list((store.root / ".making").iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_build_that_is_stopped_leaves_nothing(
    own_home: Path, number: signal.Signals, checkout: Path
) -> None:
    """No process, no mount, no half-written store path; and a new build isn't disturbed."""
    command = [sys.executable, "-m", "postolka", "build", "--root"]
    said = own_home / "said"
    with said.open("wb") as errors:
        process = subprocess.Popen(
            command,
            cwd=checkout,
            stderr=errors,
            env={**os.environ, "PYTHONPATH": str(checkout)},
        )
    # In the middle of unpacking the tools root, with a process a processor.
    making = own_home / "store/.making"
    wait_until(lambda: any(making.glob("*/usr")) or process.poll() is not None, 60)
    assert process.poll() is None
    time.sleep(0.3)
    process.send_signal(number)
    process.wait(20)
    assert process.returncode != 0
    word = str(own_home)
    assert wait_until(lambda: not running_with(word))
    assert mounts_below(own_home) == []
    store = own_home / "store"
    assert [path.name for path in store.iterdir() if not path.name.startswith(".")] == []
    if number == signal.SIGINT:
        assert said.read_text().endswith("postolka: interrupted\n")
        assert list(making.iterdir()) == []
        assert list(own_home.glob("build-*")) == []
    else:
        # What a killed one left is cleared away by the next, once its last thread has let go.
        assert wait_until(lambda: _left_after_next(Store(store)) == [])
