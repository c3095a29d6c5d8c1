"""Backups go to another machine, and a new machine, a mailbox or a folder comes back from them."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from postolka import container, mailclient
from postolka.acceptance import compose
from postolka.instance import keys
from postolka.instance.parse import parse
from postolka.lab import world
from tests import started
from tests.container import vaults
from tests.container.applying import KEPT, serve_by
from tests.container.conftest import counters, meanwhile, ssh
from tests.container.managesieve import deliver, filtering

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postolka.acceptance import Subject
    from postolka.machines import Machine
    from postolka.mailclient import Login
    from tests.container.conftest import Boots, Instance
    from tests.container.vaults import Vault

_UNIT = "postolka-backup.service"
_FOLDER = "Reisen/2026"
_SECONDS = 60
_SCRIPT = 'require "fileinto"; if header :is "subject" "Filed" { fileinto "Filed"; }'
#: Domain, mailboxes, aliases; what a mailbox holds, by its owner's and by PostfixAdmin's count.
_ACCOUNTS = (
    "sudo postolka-instance user list --json; sudo postolka-instance alias list --json; "
    "sudo postolka-instance domain list"
)
_MAIL = (
    "sudo doveadm -f tab fetch -A 'user mailbox uid flags guid hdr.message-id' all | sort; "
    "sudo doveadm -f tab quota get -A | sort; sudo doveadm -f tab mailbox list -A -s | sort"
)
_FILTERS = "sudo sh -c 'cd /var/vmail && find . -name \"*.sieve\" -exec sha256sum {} + | sort'"


def _told(machine: Machine, kind: str) -> dict[str, str]:
    found: dict[str, Any] = json.loads(ssh(machine, "sudo postolka-instance status --json || true"))
    return {item["path"]: item["text"] for item in found[kind]}


def _back_up(machine: Machine) -> str:
    return ssh(machine, "sudo postolka-instance backup 2>&1 || true")


@pytest.fixture(scope="module")
def vault(
    boots: Boots, instance: Instance, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Vault]:
    """Run a machine that lets this instance's backups in."""
    found = parse(instance.user_data).backup
    assert found
    assert found.ssh_key
    public = keys.ssh_public(found.ssh_key)
    with vaults.sftp(boots, tmp_path_factory.mktemp("vault"), public) as vault:
        yield vault


@pytest.fixture(scope="module", autouse=True)
def _backed_up(machine: Machine, vault: Vault) -> Iterator[None]:
    """Give the shared server a place for its backups, and take it away in the end."""
    assert "nowhere" in _told(machine, "warnings")["backup"]
    kept = ssh(machine, f"sudo cat {KEPT}")
    serve_by(machine, kept.replace("\nbackup:\n", f"\nbackup:\n  {vault.data}\n"))
    yield
    ssh(machine, f"sudo systemctl stop {_UNIT}; sudo sh -c 'rm -rf /var/lib/postolka-backup/*'")
    serve_by(machine, kept)


def test_backup_goes_to_another_machine(machine: Machine) -> None:
    """At once where somebody wants it, by restic's own way out through the firewall."""
    assert _back_up(machine).startswith("snapshot ")
    assert counters(machine)["out.restic.tcp.backup"]
    (snapshot,) = json.loads(ssh(machine, "sudo postolka-instance backup list --json"))
    assert snapshot["bytes"] > 0
    assert "backup" not in _told(machine, "warnings") | _told(machine, "problems")
    assert f"{snapshot['id'][:8]} of " in ssh(machine, "sudo postolka-instance status || true")
    ssh(machine, "systemctl is-enabled postolka-backup.timer")


def test_key_is_shown_for_the_other_machine(machine: Machine, vault: Vault) -> None:
    """A line for its authorized_keys."""
    shown = ssh(machine, "sudo postolka-instance backup key")
    allowed = (vault.root / f"home/{vaults.USER}/.ssh/authorized_keys").read_text(encoding="ascii")
    assert shown.startswith(allowed.strip())


def test_target_that_is_down_is_a_warning(machine: Machine, vault: Vault) -> None:
    """No failed unit: it is tried again by itself."""
    vault.stop()
    try:
        assert "hint: journalctl" in _back_up(machine)
        assert ssh(machine, f"systemctl is-failed {_UNIT} || true").strip() == "activating"
        assert "the last is" in _told(machine, "warnings")["backup"]
        assert "backup" not in _told(machine, "problems")
    finally:
        vault.start()
    ssh(machine, f"sudo systemctl stop {_UNIT}")
    assert _back_up(machine).startswith("snapshot ")


def test_target_with_another_key_gets_nothing(machine: Machine, vault: Vault) -> None:
    """The host's keys are the instance's data; whoever answers in its place isn't trusted."""
    vault.stop()
    vault.start("other")
    try:
        assert "Host key verification failed" in _back_up(machine)
    finally:
        vault.stop()
        vault.start()
    ssh(machine, f"sudo systemctl stop {_UNIT}")


@pytest.mark.soak
def test_lock_of_a_crash_is_taken_away(machine: Machine, vault: Vault) -> None:
    """A backup that was killed in the middle is no reason for the next to fail."""
    assert _back_up(machine).startswith("snapshot ")
    ssh(machine, f"sudo systemctl start --no-block {_UNIT}")
    locks = vault.root / f"home/{vaults.USER}/mail/locks"
    deadline = time.monotonic() + _SECONDS
    while not any(locks.iterdir()):
        assert time.monotonic() < deadline
    ssh(machine, f"sudo systemctl kill --signal=KILL {_UNIT}; sudo systemctl stop {_UNIT}")
    assert any(locks.iterdir())
    assert _back_up(machine).startswith("snapshot ")
    assert not any(locks.iterdir())


def _facts(machine: Machine) -> str:
    return "\n".join(ssh(machine, command) for command in (_ACCOUNTS, _MAIL, _FILTERS))


@pytest.mark.soak
def test_new_machine_becomes_the_old_one(
    boots: Boots, instance: Instance, machine: Machine, subject: Subject, vault: Vault
) -> None:
    """Of the data alone: mail, flags, UIDs, filters, quotas, users, aliases and selectors."""
    alice = subject.first
    late = "sudo postolka-instance domain add late.test; sudo postolka-instance user add"
    gone = "sudo postolka-instance domain del --with-mailboxes late.test"
    with meanwhile(machine, f"{late} x@late.test", gone), filtering(subject, alice, _SCRIPT):
        for line in ("Filed", "Kept"):
            mail = compose(world.STRANGER, [alice.address], line)
            deliver(machine, alice.address, bytes(mail))
        flag = "sudo doveadm flags add -u {} '\\Flagged $Label1' mailbox Filed all"
        ssh(machine, flag.format(alice.address))
        assert _back_up(machine).startswith("snapshot ")
        wanted = _facts(machine)
    data = instance.user_data.replace(b"\nbackup:\n", f"\nbackup:\n  {vault.data}\n".encode())
    request = replace(boots.request(instance, user_data=data), zone="")
    other = container.run(request)
    try:
        # It doesn't push an empty machine's backups in front of those.
        assert "another installation" in _back_up(other)
        assert "another installation" in _told(other, "problems")["backup"]
        assert _facts(other) != wanted
        said = ssh(other, "sudo postolka-instance restore")
        assert "the backup's; the machine had" in said
        assert _facts(other) == wanted
        assert _told(other, "problems") == {}
        assert _back_up(other).startswith("snapshot ")
        # Whoever knows the old machine's SSH host keys knows this one.
        (other.directory / "known_hosts").unlink()
        mail = compose(world.STRANGER, [alice.address], "Filed")
        deliver(other, alice.address, bytes(mail))
        found = f"sudo doveadm search -u {alice.address} mailbox Filed header Message-ID"
        assert ssh(other, f"{found} '{mail['Message-ID']}'")
    finally:
        started.drop(other.name)


def test_folder_comes_back_beside_what_is_there(
    machine: Machine, subject: Subject, alice: Login
) -> None:
    """Into a folder of its own, with its flags; again only once that is out of the way."""
    mail = compose(world.STRANGER, [alice.address], "Lost")
    make = f"sudo doveadm mailbox create -u {alice.address} {_FOLDER}"
    save = f"base64 -d | sudo doveadm save -u {alice.address} -m {_FOLDER}"
    text = base64.b64encode(bytes(mail)).decode("ascii")
    ssh(machine, f"{make}; echo {text} | {save}")
    ssh(machine, f"sudo doveadm flags add -u {alice.address} '\\Answered' mailbox {_FOLDER} all")
    assert _back_up(machine).startswith("snapshot ")
    ssh(machine, f"sudo doveadm expunge -u {alice.address} mailbox {_FOLDER} all")
    restore = f"sudo postolka-instance restore --mailbox {alice.address} --folder {_FOLDER}"
    day = time.strftime("%Y-%m-%d", time.gmtime())
    place = f"Restored/{day}/{_FOLDER}"
    assert ssh(machine, restore) == f"{place}  1 mail\n"
    with mailclient.inbox(subject.server, alice) as client:
        client.select(f'"{place}"')
        assert "Answered" in str(client.fetch("1", "(FLAGS)")[1][0])
        assert mailclient.read(subject.server, alice, mail["Message-ID"], folder=f'"{place}"')
    assert "out of the way" in ssh(machine, f"{restore} 2>&1 || true")
    ssh(machine, f"sudo doveadm mailbox delete -r -u {alice.address} Restored; true")


@pytest.mark.soak
def test_mailbox_comes_back_though_it_is_full(machine: Machine, alice: Login) -> None:
    """What was lost comes first; that there is too much now, its owner sees."""
    large = "(echo Subject: Large; echo; head -c 9M /dev/zero | base64)"
    ssh(machine, f"{large} | sudo doveadm save -u {alice.address}")
    assert _back_up(machine).startswith("snapshot ")
    change = (
        "sudo mariadb postfixadmin --execute \"UPDATE mailbox SET quota={} WHERE username='{}'\""
    )
    full, again = (change.format(quota, alice.address) for quota in (2048, 1 << 30))
    restore = f"sudo postolka-instance restore --mailbox {alice.address}"
    with meanwhile(machine, full, again):
        assert "/INBOX  " in ssh(machine, restore)
    ssh(machine, f"sudo doveadm mailbox delete -r -u {alice.address} Restored; true")


@pytest.mark.soak
def test_damaged_repository_is_a_problem(machine: Machine, vault: Vault) -> None:
    """Found by the check, which deletes nothing then; it goes when the damage is mended."""
    data = vault.root / f"home/{vaults.USER}/mail/data"
    pack = min((path for path in data.rglob("*") if path.is_file()), key=lambda path: path.name)
    aside = vault.root / pack.name
    pack.rename(aside)
    # As if a week had passed.
    ssh(machine, "sudo rm /var/lib/postolka-backup/outcome.json")
    assert _back_up(machine).startswith("snapshot ")
    assert "the repository is damaged" in _told(machine, "problems")["backup"]
    aside.rename(pack)
    assert _back_up(machine).startswith("snapshot ")
    assert "backup" not in _told(machine, "problems")
