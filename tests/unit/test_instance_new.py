"""`postolka instance`: what it writes, what it refuses, and that it leaves nothing half done."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING

import bcrypt
import pytest

from postolka import cli, identity
from postolka.instance.parse import parse
from tests.unit import instances

if TYPE_CHECKING:
    from pathlib import Path


def new(*words: str) -> int:
    """Run the command line."""
    return cli.main(["instance", "new", *words])


def test_files_are_there_with_their_modes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """user-data, credentials and the private key are the owner's alone; stdout names the result."""
    directory = tmp_path / "deep" / "mail"
    words = ["Example.test", "--account", "bob", "--account", "alice", "-o", str(directory)]
    assert new(*words) == 0
    assert capsys.readouterr().out == f"{directory}\n"
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
    assert modes == {
        "user-data": 0o600,
        "zone": 0o644,
        "credentials.json": 0o600,
        "ssh-key": 0o600,
        "ssh-key.pub": 0o644,
    }
    assert [path.name for path in directory.parent.iterdir()] == ["mail"]
    credentials = json.loads((directory / "credentials.json").read_text())
    assert credentials["hostname"] == "mail.example.test"
    addresses = [account["address"] for account in credentials["accounts"]]
    assert addresses == ["bob@example.test", "alice@example.test"]
    assert credentials["ssh"] == {"user": "admin", "key": str(directory / "ssh-key")}
    public = (directory / "ssh-key.pub").read_text().strip()
    assert public in (directory / "user-data").read_text()


def test_passwords_are_in_data_as_hashes_only() -> None:
    """Each password opens the account it is told for, and stands nowhere in user-data."""
    made = instances.made()
    instance = parse(made.user_data)
    hashes = {item.address: item.password_hash for item in instance.mailboxes}
    logins = [*made.credentials["accounts"], made.credentials["admin"]]
    assert len(logins) == 3
    for login in logins:
        password = login["password"].encode()
        assert bcrypt.checkpw(password, hashes[login["address"]].encode())
        assert password not in made.user_data
    assert all(item.quota_mib == 1024 for item in instance.mailboxes)


def test_admin_may_be_one_of_the_accounts(tmp_path: Path) -> None:
    """It is one mailbox then, with one password; without accounts it is the only one."""
    for words in (["--account", "admin"], []):
        directory = tmp_path / str(len(words))
        assert new("example.test", *words, "-o", str(directory)) == 0
        credentials = json.loads((directory / "credentials.json").read_text())
        assert credentials["accounts"] == [credentials["admin"]]
        instance = parse((directory / "user-data").read_bytes())
        assert [item.address for item in instance.mailboxes] == ["admin@example.test"]


def test_two_instances_share_no_secret() -> None:
    """Keys, passwords and selectors are made anew each time."""
    request = identity.Request(domain="example.test", hostname="mail.example.test")
    one, two = (identity.make(request, serial=1, ports=[]) for _ in range(2))
    first, second = parse(one.user_data), parse(two.user_data)
    assert first.tls.key != second.tls.key
    assert {key.selector for key in first.domains[0].dkim}.isdisjoint(
        key.selector for key in second.domains[0].dkim
    )
    assert one.credentials["admin"]["password"] != two.credentials["admin"]["password"]


def test_every_wrong_word_is_told_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bad input: exit code 1, all problems at once, no directory."""
    directory = tmp_path / "mail"
    words = ["exa mple.test", "--hostname", "-x", "--address", "1.2.3", "--account", "a b"]
    words[2:3] = ["mail.x_y.test"]
    assert new(*words, "-o", str(directory)) == 1
    error = capsys.readouterr().err
    for option in ("DOMAIN:", "--hostname:", "--address:", "--account:"):
        assert option in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["used", "file", "link"])
def test_what_is_there_is_not_overwritten(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Keys can't be made again: a directory that holds something is left alone."""
    directory = tmp_path / "mail"
    if kind == "used":
        directory.mkdir()
        (directory / "x").write_text("x")
    elif kind == "file":
        directory.write_text("x")
    else:
        directory.symlink_to("nowhere")
    assert new("example.test", "-o", str(directory)) == 1
    assert "hint: choose another -o DIR" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mail"]


def test_empty_directory_is_filled(tmp_path: Path) -> None:
    """One that somebody made beforehand will do."""
    (tmp_path / "mail").mkdir()
    assert new("example.test", "-o", str(tmp_path / "mail")) == 0


def test_nothing_is_left_where_writing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A full disk in the middle leaves no half an identity."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert new("example.test", "-o", str(tmp_path / "mail")) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_ec2s_limit_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A hundred mailboxes pass it: a warning, not an error."""
    words = [word for number in range(100) for word in ("--account", f"user{number}")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(identity, "_BCRYPT_ROUNDS", 4)
        assert new("example.test", *words, "-o", str(tmp_path / "mail")) == 0
    size = (tmp_path / "mail/user-data").stat().st_size
    assert size > 16384
    assert f"warning: user-data have {size} bytes; EC2 takes 16384" in capsys.readouterr().err
    assert len(instances.made().user_data) < 6000


def test_check_tells_good_from_bad(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`check` takes user-data and the document alone, and lists every problem with its path."""
    file = tmp_path / "user-data"
    for content in (instances.made().user_data, instances.yaml_data()):
        file.write_bytes(content)
        assert cli.main(["instance", "check", str(file)]) == 0
        assert "good" in capsys.readouterr().out
    file.write_bytes(instances.made().user_data.replace(b"format: 1", b"format: 2\nx: 1"))
    assert cli.main(["instance", "check", str(file)]) == 1
    error = capsys.readouterr().err
    assert f"{file}: 2 problems\n  format: must be" in error
    assert "\n  x: no such field" in error
    assert cli.main(["instance", "check", str(tmp_path / "none")]) == 1
    assert "can't be read" in capsys.readouterr().err


def test_check_warns_of_ec2s_limit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Good data that EC2 wouldn't take are good, with a warning."""
    file = tmp_path / "user-data"
    file.write_bytes(instances.yaml_data() + b"#" * 16384)
    assert cli.main(["instance", "check", str(file)]) == 0
    said = capsys.readouterr()
    assert "good" in said.out
    assert "warning: user-data have " in said.err


def test_check_names_each_problem_of_broken_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole error, as its reader sees it: where, each problem with its path, nothing else."""
    values = instances.data(hostname="Mail", addresses=["127.0.0.1"], extra=1)
    values["domains"]["example.test"]["dkim"][1]["algorithm"] = "rot13"
    values["accounts"][1]["quota_mib"] = -1
    file = tmp_path / "instance.yaml"
    file.write_bytes(instances.dumped(values))
    assert cli.main(["instance", "check", str(file)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    first, *rest = said.err.splitlines()
    assert first == f"postolka: {file}: 6 problems"
    assert [line.partition(": ")[0] for line in rest] == [
        "  accounts[1].quota_mib",
        "  addresses[0]",
        '  domains["example.test"].dkim[1].algorithm',
        '  domains["example.test"].dkim[1].private_key',
        "  extra",
        "  hostname",
    ]


def test_check_refuses_what_it_cant_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A directory, a MIME document without instance data, and no text at all."""
    mime = tmp_path / "mime"
    mime.write_text("Content-Type: text/cloud-config\n\nusers: []\n")
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00\x01")
    for file, why in ((tmp_path, "Is a directory"), (mime, "0 parts"), (binary, "1 problem")):
        assert cli.main(["instance", "check", str(file)]) == 1
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith(f"postolka: {file}: ")
        assert why in said.err
