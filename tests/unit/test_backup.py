"""Backups: where they go, what is in them, what status says, and how mail comes back."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from postolka.home import CHECKOUT
from postolka.instance import keys
from postolka.instance.backup import S3, Backup, Sftp
from postolka.instance.backups import merging, plan, repository
from postolka.instance.backups.merging import Mail
from postolka.instance.backups.outcome import Outcome
from postolka.instance.checks import backup as light
from postolka.instance.checks.check import DAY_SECONDS, size
from postolka.instance.effective import secrets_of
from postolka.instance.parse import parse
from postolka.instance.secret import Secret
from pyinfra_deploys import backup, nftables, server
from pyinfra_deploys.settings import Settings
from tests.unit import golden, instances
from tests.unit.test_instance_parse import ATTACKS, problems, replaced, texts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from postolka.errors import Problem
    from postolka.instance.model import Instance

_HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPaBwDUrrewIa3hGzbe3ueKeVWC9F4GE5OVXf5eNzUJw"
_PASSWORD = "backup-password-1"
_KEY = golden.EXAMPLE.tls.key
_SFTP = Sftp(host="backup.test", user="mail", path="repositories/m", host_keys=(_HOST_KEY,))
_S3 = S3(
    endpoint="https://s3.test:9000",
    bucket="backups",
    prefix="mail",
    region="eu",
    access_key="KEY",
    secret_key=Secret("secret-key"),
)
_NOW = 100.0 * DAY_SECONDS
_FOLDER = "/etc/postolka/backup"


def _with(**place: Any) -> Instance:  # noqa: ANN401 - a place of any kind
    found = Backup(password=Secret(_PASSWORD), ssh_key=_KEY, **place)
    return replace(golden.EXAMPLE, backup=found)


def _data(**changes: object) -> dict[str, Any]:
    """Return data with all three places; each test takes away what it doesn't want."""
    block = {
        "password": _PASSWORD,
        "ssh_key": str(_KEY),
        "path": "/var/backups/postolka/mail",
        "sftp": {
            "host": "backup.test",
            "user": "mail",
            "path": "/srv/mail",
            "host_keys": [_HOST_KEY],
        },
        "s3": {
            "endpoint": "https://s3.test",
            "bucket": "backups",
            "prefix": "mail",
            "region": "eu",
            "access_key": "KEY",
            "secret_key": "secret-key",
            "ca_certificate": instances.certificate(),
        },
        **changes,
    }
    return {name: value for name, value in block.items() if value is not None}


def _parsed(**changes: object) -> Backup:
    found = parse(instances.dumped(instances.data(backup=_data(**changes)))).backup
    assert found
    return found


def test_each_place_is_one_of_restics() -> None:
    """A directory, SFTP by the host's alias, or a bucket; the firewall learns the port."""
    found = _parsed(sftp=None, s3=None)
    assert (found.repository, found.port) == ("/var/backups/postolka/mail", 0)
    found = _parsed(path=None, s3=None)
    assert (found.repository, found.port) == ("sftp:postolka-backup:/srv/mail", 22)
    found = _parsed(path=None, sftp=None)
    assert (found.repository, found.port) == ("s3:https://s3.test/backups/mail", 443)
    assert _parsed(path=None, sftp=None, s3=None).repository == ""


def test_new_instance_has_a_password_and_no_place() -> None:
    """The password, which is the way to all backups, stands in credentials.json, too."""
    made = instances.made()
    found = parse(made.user_data).backup
    assert found
    assert found.repository == ""
    assert made.credentials["backup"] == {"password": str(found.password)}
    assert found.ssh_key
    assert keys.ssh_public(found.ssh_key).startswith("ssh-ed25519 AAAA")


def test_backups_go_to_one_place() -> None:
    """Two are a mistake, and SFTP needs a key to log in and the host's to trust."""
    assert "path and sftp" in problems(instances.data(backup=_data(s3=None)))["backup"]
    found = problems(instances.data(backup=_data(path=None, s3=None, ssh_key=None)))
    assert "needs ssh_key" in found["backup"]
    values = _data(path=None, s3=None)
    values["sftp"]["host_keys"] = []
    assert set(problems(instances.data(backup=values))) == {"backup.sftp.host_keys"}


@pytest.mark.parametrize("attack", ATTACKS)
def test_attack_is_refused_in_every_text(attack: str) -> None:
    """Whatever text it replaces or ends: none reaches a command, ssh_config or a URL."""
    for change in (lambda _: attack, lambda text: f"{text}{attack or chr(10)}"):
        changed = replaced(_data(), change)
        found = problems(instances.data(backup=changed))
        assert {f"backup.{path}" for path in texts(_data())} <= set(found)


@pytest.mark.parametrize(
    "path",
    [
        "/var/backups/postolka/../x",
        "/var/backups/postolka/.ssh",
        "/var/backups",
        "/var/backups/postolkax",
        "relative",
        "/var/backups/postolka/",
        "/var/vmail",
    ],
)
def test_directory_here_is_where_the_sandbox_lets_it_write(path: str) -> None:
    """And none leads out of there."""
    values = _data(path=path, sftp=None, s3=None)
    assert set(problems(instances.data(backup=values))) == {"backup.path"}


def test_options_of_ssh_cant_be_given() -> None:
    """A host, user or path that begins with - would be one."""
    for name in ("host", "user", "path"):
        values = _data(path=None, s3=None)
        values["sftp"][name] = "-oProxyCommand=x"
        assert set(problems(instances.data(backup=values))) == {f"backup.sftp.{name}"}


def test_secrets_are_masked() -> None:
    """`postolka-instance config` shows none of them."""
    instance = _with(s3=_S3)
    found = set(secrets_of(instance))
    assert {_PASSWORD, "secret-key", str(_KEY)} <= found
    assert not [secret for secret in (_PASSWORD, "secret-key") if secret in repr(instance)]


@pytest.mark.parametrize(
    ("name", "place"),
    [("local", {"path": "/var/backups/postolka"}), ("sftp", {"sftp": _SFTP}), ("s3", {"s3": _S3})],
)
def test_target_is_golden(name: str, place: dict[str, Any]) -> None:
    """What restic is told is what was read and tried."""
    text = golden.rendered(backup, _with(**place))[f"{_FOLDER}/target.json"]
    assert json.loads(text)["environment"]["RESTIC_PASSWORD"] == _PASSWORD
    golden.check("backup", f"{_FOLDER}/target.json.{name}", text)


def test_ssh_knows_one_host_by_its_key() -> None:
    """No trust on first use; without SFTP there is no key and no host."""
    files = golden.rendered(backup, _with(sftp=replace(_SFTP, port=2222)))
    golden.check("backup", f"{_FOLDER}/ssh_config", files[f"{_FOLDER}/ssh_config"])
    assert files[f"{_FOLDER}/known_hosts"] == f"[backup.test]:2222 {_HOST_KEY}\n"
    assert files[f"{_FOLDER}/ssh_key"] == keys.pem(_KEY)
    for path, text in golden.rendered(backup).items():
        assert text == ("null\n" if path.endswith(".json") else ""), path


def test_firewall_opens_the_places_port() -> None:
    """For restic's user alone; a directory here needs none."""
    flows = "/etc/postolka/flows.nft"
    element = "add element inet postolka backup { 9000 }\n"
    assert element in golden.rendered(nftables, _with(s3=_S3))[flows]
    local = golden.rendered(nftables, _with(path="/var/backups/postolka"))[flows]
    assert "element inet postolka backup" not in local


def test_every_precious_state_is_in_it() -> None:
    """But what is dumped, and what would do harm; what isn't precious is in none."""
    house = server.house(Settings())
    found = plan.plan(house)
    paths = [place.path for place in found.places]
    for state in house["state"]:
        is_in = any(f"{state['path']}/".startswith(f"{path}/") for path in paths)
        is_wanted = state["kind"] == "precious" and state["restore"] in ("replace", "add")
        assert is_in == is_wanted or state["path"] in found.excludes, state
    assert {"/var/vmail", "/var/lib/postolka", "/home"} <= set(paths)
    assert "/var/lib/mysql" not in paths
    assert "/var/vmail/**/dovecot.index*" in found.excludes


def test_what_is_below_comes_with_it() -> None:
    """Unless it comes back in another way, or not at all."""

    def state(path: str, kind: str = "precious", restore: str = "replace") -> dict[str, Any]:
        return {"path": path, "kind": kind, "restore": restore, "excludes": ()}

    states = [state("/a"), state("/a/b"), state("/a/c", restore="add"), state("/a/d", "cache")]
    found = plan.plan({"state": [*states, state("/a/e", restore="never")]})
    assert found.places == (
        plan.Place(path="/a", keeps=False),
        plan.Place(path="/a/c", keeps=True),
    )
    assert found.excludes == ("/a/d", "/a/e")


def test_only_precious_state_comes_back_in_a_way_of_its_own() -> None:
    """What is rebuildable or a cache is in no backup, so it says nothing of a restore."""
    for state in server.house(Settings())["state"]:
        if state["kind"] != "precious":
            assert (state["restore"], list(state["excludes"])) == ("replace", []), state


def _check(outcome: Outcome, instance: Instance | None = None) -> list[tuple[str, Problem]]:
    found = light.check(instance or _with(sftp=_SFTP), outcome, 3, _NOW)
    return [
        *(("problem", item) for item in found.problems),
        *(("warning", item) for item in found.warnings),
    ]


def test_no_place_for_backups_is_a_warning() -> None:
    """Also where the data have no word of them."""
    for instance in (golden.EXAMPLE, _with()):
        ((kind, said),) = _check(Outcome(), instance)
        assert (kind, said.path) == ("warning", "backup")
        assert "nowhere" in said.text


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (Outcome(), ""),
        (Outcome(succeeded=_NOW - DAY_SECONDS), ""),
        (Outcome(succeeded=_NOW - 2 * DAY_SECONDS), "warning"),
        (Outcome(succeeded=_NOW - 4 * DAY_SECONDS), "problem"),
        (Outcome(succeeded=_NOW - DAY_SECONDS, problem="it is down"), "warning"),
        (Outcome(succeeded=_NOW - 4 * DAY_SECONDS, problem="it is down"), "problem"),
        (Outcome(began=_NOW - DAY_SECONDS, problem="it is down"), "warning"),
        (Outcome(began=_NOW - 4 * DAY_SECONDS, problem="it is down"), "problem"),
        (Outcome(began=_NOW, problem="another's", needs_operator=True), "problem"),
        (Outcome(succeeded=_NOW, unread="/x: denied"), "warning"),
        (Outcome(succeeded=_NOW, damage="a pack is missing"), "problem"),
    ],
)
def test_light_goes_on_with_the_age_of_the_last_backup(outcome: Outcome, kind: str) -> None:
    """A target that is down is a warning, for setting backup_problem_days; then a problem."""
    assert [found for found, _ in _check(outcome)] == ([kind] if kind else [])


def test_problem_says_how_old_the_last_one_is() -> None:
    """And where to read on."""
    ((_, said),) = _check(Outcome(succeeded=_NOW - 4 * DAY_SECONDS, problem="it is down"))
    assert said.text == "it is down (the last is 4 days old): journalctl -u postolka-backup.service"


def test_bytes_are_told_as_people_say_them() -> None:
    """In a unit in which they are at least one."""
    assert [size(n) for n in (0, 1023, 1024, 3 << 20, 5 << 30)] == [
        "0 B",
        "1023 B",
        "1 KiB",
        "3 MiB",
        "5.0 GiB",
    ]


def test_moved_mail_is_nothing_unread() -> None:
    """A mail that was there a moment ago has another name now; what may not be read is told."""
    lines = [
        (
            '{"message_type":"error","error":{"message":"lstat /v/1: no such file or directory"},'
            '"during":"archival","item":"/v/1"}'
        ),
        (
            '{"message_type":"error","error":{"message":"open /x: permission denied"}'
            ',"during":"archival","item":"/x"}'
        ),
        '{"message_type":"exit_error","code":3,"message":"Warning: at least one is missing"}',
    ]
    errors = tuple(map(repository._error, lines))
    done = repository.Done(status=3, messages=(), errors=errors)
    assert done.unread == ("/x: open /x: permission denied",)
    assert done.problem == "Warning: at least one is missing"


def _tree(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def _files(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): path.read_text()
        for path in root.rglob("*")
        if path.is_file()
    }


def test_files_come_back_over_those_there_or_beside_them(tmp_path: Path) -> None:
    """As the room says; what only the machine has stays in either case."""
    for keeps, wanted in ((False, "backup's"), (True, "machine's")):
        base = tmp_path / str(keeps)
        source = _tree(base / "source", {"a/both": "backup's", "a/b/theirs": "backup's"})
        target = _tree(base / "target", {"a/both": "machine's", "a/mine": "machine's"})
        merging.merge(source, target, keeps=keeps)
        assert _files(target) == {
            "a/both": wanted,
            "a/b/theirs": "backup's",
            "a/mine": "machine's",
        }


def test_home_that_is_gone_comes_back_as_it_was(tmp_path: Path) -> None:
    """UIDs, subscriptions and filters with it."""
    files = {
        "d.test/a/Maildir/cur/1.M1:2,Sa": "one",
        "d.test/a/Maildir/dovecot-uidlist": "3 V1",
        "d.test/a/.dovecot.sieve": "keep;",
    }
    source, target = _tree(tmp_path / "source", files), tmp_path / "target"
    target.mkdir()
    assert merging.merge_mail(source, target) == Mail(homes=1, mails=0)
    assert _files(target) == files


def test_home_that_is_there_gets_what_it_lacks(tmp_path: Path) -> None:
    """A mail that was read, or moved, since isn't put beside itself; nothing newer is changed."""
    source = _tree(
        tmp_path / "source",
        {
            "d.test/a/Maildir/new/1.M1": "read since",
            "d.test/a/Maildir/cur/2.M2:2,S": "moved since",
            "d.test/a/Maildir/cur/3.M3:2,FS": "deleted since",
            "d.test/a/Maildir/.Old/cur/4.M4:2,": "deleted with its folder",
            "d.test/a/Maildir/dovecot-uidlist": "backup's",
            "d.test/a/Maildir/dovecot-uidvalidity": "backup's",
            "d.test/a/Maildir/dovecot-uidvalidity.1": "",
            "d.test/a/.dovecot.sieve": "backup's",
            "d.test/a/sieve/x.sieve": "backup's",
        },
    )
    target = _tree(
        tmp_path / "target",
        {
            "d.test/a/Maildir/cur/1.M1:2,S": "read since",
            "d.test/a/Maildir/.Archive/cur/2.M2:2,S": "moved since",
            "d.test/a/Maildir/new/9.M9": "came since",
            "d.test/a/Maildir/dovecot-uidlist": "machine's",
            "d.test/a/Maildir/dovecot-uidvalidity": "machine's",
            "d.test/a/Maildir/dovecot-uidvalidity.2": "",
            "d.test/a/.dovecot.sieve": "machine's",
        },
    )
    before = _files(target)
    assert merging.merge_mail(source, target) == Mail(homes=0, mails=2)
    assert _files(target) == {
        **before,
        "d.test/a/Maildir/cur/3.M3:2,FS": "deleted since",
        "d.test/a/Maildir/.Old/cur/4.M4:2,": "deleted with its folder",
        "d.test/a/sieve/x.sieve": "backup's",
    }


def test_keyword_never_becomes_another(tmp_path: Path) -> None:
    """Letters in a name stand for what the folder's file says; the other's may say otherwise."""
    source = _tree(
        tmp_path / "source",
        {
            "d.test/a/Maildir/cur/1.M1:2,Sab": "",
            "d.test/a/Maildir/dovecot-keywords": "0 $Label1\n1 $Label2\n",
        },
    )
    target = _tree(
        tmp_path / "target",
        {
            "d.test/a/Maildir/cur/9.M9:2,Sb": "",
            "d.test/a/Maildir/dovecot-keywords": "0 $Label1\n1 $Other\n",
        },
    )
    merging.merge_mail(source, target)
    assert "d.test/a/Maildir/cur/1.M1:2,Sa" in _files(target)


def test_documentation_names_each_setting() -> None:
    """docs/backup.md is where an operator looks."""
    text = (CHECKOUT / "docs/backup.md").read_text(encoding="utf-8")
    for name in server.house(Settings())["settings"]["backup"]:
        assert f"backup_{name}" in text, name
