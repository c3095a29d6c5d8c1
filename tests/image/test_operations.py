"""Our operations on a real root: fresh, nothing to do, drift, bad input, applied twice."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from postolka import deployer
from postolka.errors import PostolkaError
from pyinfra_deploys import server
from pyinfra_deploys.connectors.rootfs import Root
from pyinfra_deploys.operations import accounts, debconf, privileges, schema, tree, units
from pyinfra_deploys.postfixadmin import SCHEMA, SCRIPT
from pyinfra_deploys.room import User
from pyinfra_deploys.tree import Entry
from tests.image.overlay import mounted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ENTRIES = (
    Entry(path="/etc/tried/plain", content=b"plain\n"),
    Entry(path="/etc/tried/owned", content=b"owned\n", mode="0640", user="postfix", group="mail"),
    Entry(path="/usr/bin/tried", content=b"#!/bin/sh\n", mode="2755", group="postdrop"),
    Entry(path="/etc/tried/link", kind="link", target="/run/elsewhere"),
    Entry(path="/var/lib/tried", kind="directory", mode="0750", user="bind", group="bind"),
)


@pytest.fixture(name="path")
def _path(root: Path, tmp_path: Path) -> Iterator[Path]:
    with mounted([root], tmp_path) as path:
        yield path


@pytest.fixture(name="apply")
def _apply(path: Path, tmp_path: Path) -> Callable[..., int]:
    """Return a function that runs one operation; it returns 1 if that changed anything."""

    def apply(operation: Any, **arguments: object) -> int:  # noqa: ANN401 - pyinfra's own type
        return deployer.apply(path, tmp_path / "log", lambda: operation(**arguments))

    return apply


def _state(path: Path) -> dict[str, tuple[object, ...]]:
    """Return what is there of ENTRIES."""
    found: dict[str, tuple[object, ...]] = {}
    for entry in ENTRIES:
        place = path / entry.path.lstrip("/")
        status = place.lstat()
        what: object = str(place.readlink()) if entry.kind == "link" else None
        what = place.read_bytes() if entry.kind == "file" else what
        found[entry.path] = (oct(status.st_mode), status.st_uid, status.st_gid, what)
    return found


def test_a_tree_is_installed_once(path: Path, apply: Callable[..., int]) -> None:
    """Content, owner and mode are as asked for; a second run has nothing to do."""
    assert apply(tree.install, entries=ENTRIES) == 1
    state = _state(path)
    assert state["/etc/tried/plain"] == ("0o100644", 0, 0, b"plain\n")
    assert state["/etc/tried/owned"] == ("0o100640", 123, 8, b"owned\n")
    assert state["/usr/bin/tried"] == ("0o102755", 0, 124, b"#!/bin/sh\n")
    assert state["/etc/tried/link"] == ("0o120777", 0, 0, "/run/elsewhere")
    assert state["/var/lib/tried"] == ("0o40750", 122, 122, None)
    assert apply(tree.install, entries=ENTRIES) == 0
    assert _state(path) == state


def _write(path: Path) -> None:
    (path / "etc/tried/plain").write_text("drift")


def _mode(path: Path) -> None:
    (path / "etc/tried/owned").chmod(0o666)


def _owner(path: Path) -> None:
    os.chown(path / "etc/tried/owned", 0, 0)


def _gone(path: Path) -> None:
    (path / "etc/tried/plain").unlink()


def _set_id(path: Path) -> None:
    (path / "usr/bin/tried").chmod(0o755)


def _link(path: Path) -> None:
    (path / "etc/tried/link").unlink()
    (path / "etc/tried/link").write_text("a file")


def _became_a_link(path: Path) -> None:
    (path / "etc/tried/plain").unlink()
    (path / "etc/tried/plain").symlink_to("/etc/passwd")


def _directory(path: Path) -> None:
    (path / "var/lib/tried").chmod(0o777)


@pytest.mark.parametrize(
    "drift", [_write, _mode, _owner, _gone, _set_id, _link, _became_a_link, _directory]
)
def test_drift_is_corrected(
    path: Path, apply: Callable[..., int], drift: Callable[[Path], None]
) -> None:
    """Whatever was changed on the machine is as asked for again, and nothing else is touched."""
    apply(tree.install, entries=ENTRIES)
    state, passwd = _state(path), (path / "etc/passwd").read_bytes()
    drift(path)
    with suppress(OSError):
        assert _state(path) != state
    assert apply(tree.install, entries=ENTRIES) == 1
    assert _state(path) == state
    assert (path / "etc/passwd").read_bytes() == passwd


def test_an_unknown_owner_is_an_error(apply: Callable[..., int]) -> None:
    """Never root's instead, as tar would have it."""
    with pytest.raises(PostolkaError, match="nobody-knows"):
        apply(tree.install, entries=[Entry(path="/etc/tried/a", user="nobody-knows")])


def test_a_directory_in_the_place_of_a_file_is_an_error(
    path: Path, apply: Callable[..., int]
) -> None:
    """What may lie in it isn't thrown away."""
    (path / "etc/tried/plain").mkdir(parents=True)
    (path / "etc/tried/plain/kept").write_text("")
    with pytest.raises(PostolkaError, match="etc/tried/plain"):
        apply(tree.install, entries=ENTRIES)
    assert (path / "etc/tried/plain/kept").exists()


def test_units_are_enabled_and_masked_once(path: Path, apply: Callable[..., int]) -> None:
    """Without a systemd that runs; a masked unit needn't exist."""
    wanted = {"units": ["nftables.service"], "masked": ["no-such.service", "ssh.socket"]}
    assert apply(units.enabled, **wanted) == 1
    system = path / "etc/systemd/system"
    assert (system / "sysinit.target.wants/nftables.service").is_symlink()
    assert (system / "no-such.service").readlink().as_posix() == "/dev/null"
    assert apply(units.enabled, **wanted) == 0


def test_a_unit_that_was_masked_or_disabled_is_enabled(
    path: Path, apply: Callable[..., int]
) -> None:
    """Either is drift."""
    apply(units.enabled, units=["nftables.service"])
    for verb in ("disable", "mask"):
        assert Root(path).run(["systemctl", verb, "nftables.service"]).returncode == 0
        assert apply(units.enabled, units=["nftables.service"]) == 1
        assert apply(units.enabled, units=["nftables.service"]) == 0


@pytest.mark.parametrize("unit", ["no-such.service", "systemd-journald.service"])
def test_a_unit_that_cant_be_enabled_is_an_error(apply: Callable[..., int], unit: str) -> None:
    """One that isn't there, or that has nothing to enable."""
    with pytest.raises(Exception, match="can't be enabled"):
        apply(units.enabled, units=[unit])


def test_accounts_are_made_once(path: Path, apply: Callable[..., int]) -> None:
    """With their pinned ids, groups first; one that is there keeps what it has."""
    wanted = [
        User(name="tried", id=190, groups=("mail", "triedgroup"), comment="Tried, once"),
        User(name="triedgroup", id=191, is_group_only=True),
        User(name="postfix", id=192),
    ]
    assert apply(accounts.present, users=wanted) == 1
    passwd, group = ((path / "etc" / name).read_text() for name in ("passwd", "group"))
    assert "\ntried:x:190:190:Tried, once:/nonexistent:/usr/sbin/nologin\n" in passwd
    assert "\ntriedgroup:x:191:tried\n" in group
    assert "postfix:x:123:" in passwd
    assert apply(accounts.present, users=wanted) == 0


def test_an_id_that_is_taken_is_never_shared(path: Path, apply: Callable[..., int]) -> None:
    """Two names with one id would share their files: the later one gets the next free id."""
    wanted = [User(name="daemon2", id=123), User(name="operator", id=1000)]
    assert apply(accounts.present, users=wanted) == 1
    passwd = [line.split(":") for line in (path / "etc/passwd").read_text().splitlines()]
    ids = {words[0]: int(words[2]) for words in passwd}
    assert len(ids) == len(set(ids.values()))
    assert ids["daemon2"] < 1000 < ids["operator"]
    assert apply(accounts.present, users=wanted) == 0


def test_the_owner_of_all_mail_has_the_pinned_id_or_none(apply: Callable[..., int]) -> None:
    """Dovecot's configuration has it as a number."""
    with pytest.raises(Exception, match="the id 5000 of tried is the group vmail's"):
        apply(accounts.present, users=[User(name="tried", id=5000)])


def test_questions_are_answered_once(path: Path, apply: Callable[..., int]) -> None:
    """Debconf has the answer before the package asks."""
    lines = ["tried tried/question string an answer", "tried tried/none multiselect"]
    assert apply(debconf.answered, lines=lines) == 1
    assert apply(debconf.answered, lines=lines) == 0
    shutil.rmtree(path / "var/cache/debconf")
    (path / "var/cache/debconf").mkdir()
    assert apply(debconf.answered, lines=lines) == 1


def test_rooms_answers_are_answers(apply: Callable[..., int]) -> None:
    """A machine that isn't built from scratch gets them by this operation."""
    lines = [line for room in server.all_rooms() for line in room.debconf]
    assert apply(debconf.answered, lines=lines) in {0, 1}
    assert apply(debconf.answered, lines=lines) == 0


def test_an_answer_to_nothing_is_an_error(apply: Callable[..., int]) -> None:
    """A line has three words, and a value that may be empty."""
    with pytest.raises(Exception, match="not PACKAGE QUESTION TYPE"):
        apply(debconf.answered, lines=["tried tried/question"])


def test_privileges_are_taken_away_once(path: Path, apply: Callable[..., int]) -> None:
    """Whoever isn't named loses both bits, and nothing else of its mode."""
    programs = {name: (path / f"usr/bin/{name}").stat().st_mode for name in ("sudo", "su", "chage")}
    assert programs["su"] & 0o4000
    assert programs["chage"] & 0o2000
    assert apply(privileges.kept, programs=["/usr/bin/sudo"]) == 1
    after = {name: (path / f"usr/bin/{name}").stat().st_mode for name in programs}
    assert after["sudo"] == programs["sudo"]
    assert after["su"] == programs["su"] & ~0o4000
    assert after["chage"] == programs["chage"] & ~0o2000
    assert apply(privileges.kept, programs=["/usr/bin/sudo"]) == 0


def test_a_privilege_of_nobody_is_an_error(apply: Callable[..., int]) -> None:
    """A list that names what isn't there has a mistake, or a package has changed."""
    with pytest.raises(PostolkaError, match="/usr/bin/sudoo"):
        apply(privileges.kept, programs=["/usr/bin/sudoo"])


def test_tables_are_made_where_something_has_changed(path: Path, apply: Callable[..., int]) -> None:
    """By PostfixAdmin itself; again for another script, and for what another one has left."""
    made = path / SCHEMA.lstrip("/")
    script = SCRIPT.read_text()
    assert apply(schema.made, path=SCHEMA, script=script) == 1
    first = made.read_bytes()
    assert b"CREATE TABLE IF NOT EXISTS `mailbox`" in first
    assert apply(schema.made, path=SCHEMA, script=script) == 0
    made.write_text("-- key: of another\n")
    assert apply(schema.made, path=SCHEMA, script=script) == 1
    assert made.read_bytes() == first
    assert apply(schema.made, path=SCHEMA, script=f"{script}# Another.\n") == 1
    key = len("-- key: ") + 64
    assert made.read_bytes()[:key] != first[:key]
    assert made.read_bytes()[key:] == first[key:]


def test_tables_that_cant_be_made_are_an_error(path: Path, apply: Callable[..., int]) -> None:
    """With what the script said; what was there stays."""
    made = path / SCHEMA.lstrip("/")
    made.parent.mkdir(parents=True, exist_ok=True)
    made.write_text("older\n")
    (path / "usr/sbin/mariadbd").unlink()
    with pytest.raises(PostolkaError, match="the database server doesn't start"):
        apply(schema.made, path=SCHEMA, script=SCRIPT.read_text())
    assert made.read_text() == "older\n"
