"""Whatever is done to a store in whatever order, it holds what a plain dictionary would."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from postolka import verification
from postolka.store import Store, digest

#: Few, so that steps meet.
_names = st.sampled_from(["packages", "image", "disk"])
_keys = st.sampled_from([digest(number) for number in range(3)])
_part = st.text("ab. -é", min_size=1, max_size=4).filter(lambda text: text not in {".", ".."})
_trees = st.dictionaries(_part, st.binary(max_size=20), max_size=4)


class _BrokenError(Exception):
    """What a step raises."""


class Comparison(RuleBasedStateMachine):
    """A store beside the dictionaries that say what it must hold."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.store = Store(self.directory / "store")
        self.finished: dict[str, dict[str, bytes]] = {}
        self.noted: dict[tuple[str, str], str] = {}

    def teardown(self) -> None:
        """Remove the store."""
        shutil.rmtree(self.directory)

    @rule(name=_names, key=_keys, tree=_trees)
    def realise(self, name: str, key: str, tree: dict[str, bytes]) -> None:
        """Get what is there, make what isn't."""
        path = self.store.path(name, key)

        def make(out: Path) -> None:
            assert path.name not in self.finished, "made although it was there"
            out.mkdir()
            for file, content in tree.items():
                (out / file).write_bytes(content)

        assert self.store.realise(name, key, make) == path
        self.finished.setdefault(path.name, tree)

    @rule(name=_names, key=_keys)
    def fail(self, name: str, key: str) -> None:
        """Have a step fail half-way, which leaves nothing; one that isn't needed isn't begun."""

        def make(out: Path) -> None:
            out.mkdir()
            (out / "half").write_bytes(b"half")
            raise _BrokenError

        is_there = self.store.path(name, key).name in self.finished
        with contextlib.nullcontext() if is_there else pytest.raises(_BrokenError):
            self.store.realise(name, key, make)

    @rule(name=_names, key=_keys)
    def die(self, name: str, key: str) -> None:
        """Leave what a step does that is killed half-way; no step begins for what is finished."""
        path = self.store.path(name, key)
        if path.name in self.finished:
            return
        (self.store.root / ".locks").mkdir(parents=True, exist_ok=True)
        (self.store.root / ".making" / path.name).mkdir(parents=True, exist_ok=True)
        (self.store.root / ".making" / path.name / "half").write_bytes(b"half")

    @rule(name=_names, key=_keys)
    def remove(self, name: str, key: str) -> None:
        """Remove a path, which may not be there."""
        path = self.store.path(name, key)
        self.store.remove(path.name)
        self.finished.pop(path.name, None)

    @rule(fast=_keys, name=_names, key=_keys)
    def remember(self, fast: str, name: str, key: str) -> None:
        """Note a path, of which the last one counts."""
        path = self.store.path(name, key)
        self.store.remember(fast, name, path)
        self.noted[fast, name] = path.name

    @invariant()
    def holds_what_it_must(self) -> None:
        """See exactly the finished paths, as they were made, with records that say so."""
        root = self.store.root
        names = {path.name for path in root.glob("[!.]*")}
        assert names == self.finished.keys()
        for name, tree in self.finished.items():
            found = {path.name: path.read_bytes() for path in (root / name).iterdir()}
            assert found == tree
        if names:
            assert verification.verify(Store(root), names, lambda _: None) == []

    @invariant()
    def answers_what_it_must(self) -> None:
        """See that notes lead to paths that are there, or nowhere."""
        for (fast, name), noted in self.noted.items():
            there = self.store.root / noted if noted in self.finished else None
            assert self.store.recall(fast, name) == there

    @rule(key=_keys, tree=_trees)
    def tidy(self, key: str, tree: dict[str, bytes]) -> None:
        """Make something, which clears all halves away."""
        self.store.remove(self.store.path("disk", key).name)
        self.finished.pop(self.store.path("disk", key).name, None)
        self.realise("disk", key, tree)
        assert list((self.store.root / ".making").iterdir()) == []


TestStore = Comparison.TestCase
TestStore.settings = settings(max_examples=40, stateful_step_count=15, deadline=None)
