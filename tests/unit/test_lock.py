"""The lock's form, its errors, and what it is asked for."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postolka import lock
from postolka.errors import PostolkaError, ProblemsError
from postolka.lock import Lock, Package, Suite

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SUITES = (
    Suite(archive="debian", suite="trixie", codename="trixie", date="2026-01-10T09:00:00Z"),
    Suite(
        archive="debian-security",
        suite="trixie-security",
        codename="trixie-security",
        date="2026-02-01T00:00:07Z",
    ),
)
WANTED = {
    "image": ("postfix",),
    "kernel": ("linux-image-amd64",),
    "tools": (),
    "lab": ("bind9",),
    "clients": (),
    "mkosi": (),
    "mkosi-image": (),
}
_names = st.from_regex(r"[a-z0-9][a-z0-9+.-]{1,12}", fullmatch=True)
_packages = st.builds(
    Package,
    name=_names,
    version=st.from_regex(r"([0-9]:)?[0-9][0-9A-Za-z.+~-]{0,8}", fullmatch=True),
    architecture=st.sampled_from(["amd64", "all"]),
    archive=st.sampled_from(lock.ARCHIVES),
    path=st.from_regex(r"pool/main/[a-z]/[a-z0-9]{1,9}/[a-z0-9]{1,9}\.deb", fullmatch=True),
    size=st.integers(1, 10**9),
    sha256=st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
    sets=st.lists(st.sampled_from(lock.SETS), min_size=1, unique=True).map(tuple),
)
_locks = st.builds(
    Lock,
    suites=st.just(SUITES),
    wanted=st.just(WANTED),
    packages=st.lists(_packages, min_size=1, max_size=8, unique_by=lambda p: p.name).map(
        lambda found: tuple(sorted(found))
    ),
)


def a_package(**changes: object) -> Package:
    fields: dict[str, Any] = {
        "name": "postfix",
        "version": "3.10.5-1",
        "architecture": "amd64",
        "archive": "debian",
        "path": "pool/main/p/postfix/postfix_3.10.5-1_amd64.deb",
        "size": 1000,
        "sha256": "0" * 64,
        "sets": ("image",),
    }
    return Package(**{**fields, **changes})


def a_lock(*packages: Package) -> Lock:
    return Lock(suites=SUITES, wanted=WANTED, packages=packages or (a_package(),))


def _document(**changes: object) -> str:
    return json.dumps({**json.loads(lock.serialise(a_lock())), **changes})


@given(_locks)
def test_what_is_written_is_read_again(given_lock: Lock) -> None:
    """A lock survives its file, and equal locks have equal bytes."""
    text = lock.serialise(given_lock)
    assert lock.parse(text) == given_lock
    assert lock.serialise(lock.parse(text)) == text


def test_one_package_is_one_line() -> None:
    """A refresh reads in git as the list of packages that changed."""
    text = lock.serialise(a_lock(a_package(), a_package(name="zstd")))
    assert len([line for line in text.splitlines() if '"sha256"' in line]) == 2


def test_no_host_is_named() -> None:
    """The lock holds for every mirror."""
    assert "://" not in lock.serialise(a_lock())


def test_epoch_is_the_newest_suites_date() -> None:
    """The only date that a build knows comes from the archive."""
    assert a_lock().source_date_epoch == 1769904007


@given(st.text(max_size=40) | st.binary(max_size=20).map(lambda b: b.decode("latin-1")))
def test_garbage_is_refused_in_one_form(text: str) -> None:
    """Whatever the file holds, the error says where it is and what to do."""
    with pytest.raises(PostolkaError) as caught:
        lock.parse(text)
    assert caught.value.hint == "postolka lock --update"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
        max_leaves=8,
    ),
    st.sampled_from(["suites", "wanted", "packages"]),
)
def test_wrong_fields_are_problems_never_a_traceback(value: object, key: str) -> None:
    """Any JSON value in any place of the document is an error with a path in the document."""
    with pytest.raises(ProblemsError):
        lock.parse(_document(**{key: value}))


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=4,
)


def _places(value: object, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the way to everything in a document."""
    yield at
    below: Iterable[tuple[str | int, object]] = ()
    if isinstance(value, dict):
        below = value.items()
    elif isinstance(value, list):
        below = enumerate(value)
    for key, inner in below:
        yield from _places(inner, (*at, key))


@given(_locks, st.data())
def test_a_lock_with_any_one_value_changed_is_a_lock_or_an_error(
    given_lock: Lock, data: st.DataObject
) -> None:
    """At whatever place, to whatever: never a traceback, and what is read is written again."""
    document = json.loads(lock.serialise(given_lock))
    *way, last = data.draw(st.sampled_from([at for at in _places(document) if at]))
    holder = document
    for step in way:
        holder = holder[step]
    holder[last] = data.draw(_json)
    with contextlib.suppress(PostolkaError):
        parsed = lock.parse(json.dumps(document))
        assert lock.parse(lock.serialise(parsed)) == parsed


@given(_locks, st.data())
def test_a_lock_that_was_cut_off_is_refused(given_lock: Lock, data: st.DataObject) -> None:
    """Wherever a full disk or a broken transfer ended it."""
    text = lock.serialise(given_lock).rstrip()
    with pytest.raises(PostolkaError):
        lock.parse(text[: data.draw(st.integers(0, len(text) - 1))])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "Post fix"),
        ("version", ""),
        ("archive", "elsewhere"),
        ("path", "pool/../../etc/passwd.deb"),
        ("path", "/pool/x.deb"),
        ("path", "https:pool/x.deb"),
        ("size", 0),
        ("size", True),
        ("size", "1000"),
        ("sha256", "F" * 64),
        ("sha256", "0" * 63),
        ("sets", []),
        ("sets", ["attic"]),
        ("sets", "image"),
    ],
)
def test_each_field_is_checked(field: str, value: object) -> None:
    """A field out of its form is named by its path."""
    row = {**json.loads(_document())["packages"][0], field: value}
    with pytest.raises(ProblemsError, match=rf"packages\[0\]\.{field}: must be"):
        lock.parse(_document(packages=[row]))


def test_every_problem_is_reported_at_once() -> None:
    """Two broken packages and an unknown field are three problems of one error."""
    row = json.loads(_document())["packages"][0]
    broken = [{**row, "size": -1}, {**row, "name": "zstd", "sha256": "?"}]
    with pytest.raises(ProblemsError) as caught:
        lock.parse(_document(packages=broken, host="mirror"))
    assert [problem.path for problem in caught.value.problems] == [
        "host",
        "packages[0].size",
        "packages[1].sha256",
    ]


def test_a_package_is_there_once() -> None:
    """Two versions of one name can't both be meant."""
    row = json.loads(_document())["packages"][0]
    with pytest.raises(ProblemsError, match="postfix: is there twice"):
        lock.parse(_document(packages=[row, {**row, "version": "4"}]))


def test_another_format_is_refused() -> None:
    """A lock of a later postolka isn't read by halves."""
    with pytest.raises(PostolkaError, match="not a lock of format 1"):
        lock.parse(_document(format=2))


def test_a_set_is_what_carries_its_name() -> None:
    """A package used twice is in both sets."""
    both, other = a_package(sets=("image", "tools")), a_package(name="zstd", sets=("tools",))
    locked = a_lock(both, other)
    assert locked.of("image") == (both,)
    assert locked.of("tools") == (both, other)


def test_a_lock_for_other_names_is_incomplete() -> None:
    """A room's new package and one that no room names any more are both told."""
    with pytest.raises(ProblemsError) as caught:
        a_lock().check({"image": ("dovecot-core",), "lab": ("bind9",)})
    assert "dovecot-core is not in the lock" in str(caught.value)
    assert "postfix is needed no more" in str(caught.value)
    assert "bind9" not in str(caught.value)
