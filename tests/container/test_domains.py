"""Domains by the machine's own command: mail comes and is signed at once, until they go again."""
# ruff: noqa: S608 - a test's own statements

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from postolka import acceptance, mailclient
from postolka.acceptance import compose
from postolka.instance.model import ROLES
from postolka.instance.parse import parse
from postolka.lab import post, world
from postolka.mailclient import Login
from tests.container.conftest import sql, ssh
from tests.container.sending import arrives, bring

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postolka.acceptance import Subject
    from postolka.machines import Machine
    from tests.container.conftest import Instance

_COMMAND = "sudo postolka-instance"
_NAME = "more.test"


def _listed(machine: Machine) -> dict[str, dict[str, Any]]:
    found = json.loads(ssh(machine, f"{_COMMAND} domain list --json"))
    return {item.pop("name"): item for item in found}


def _refused(machine: Machine, arguments: str) -> str:
    text, code = (
        ssh(machine, f"{_COMMAND} domain {arguments} 2>&1; echo $?").strip().rsplit("\n", 1)
    )
    assert code == "1", text
    return text


def _problems(machine: Machine) -> dict[str, str]:
    found = json.loads(ssh(machine, f"{_COMMAND} status --json || true"))
    return {item["path"]: item["text"] for item in found["problems"]}


def _serial(machine: Machine) -> int:
    return int(json.loads(ssh(machine, f"{_COMMAND} status --json || true"))["serial"])


@pytest.fixture(scope="module")
def records(subject: Subject, machine: Machine) -> Iterator[str]:
    """Add a domain, publish what it says, and return that; gone at the end."""
    text = ssh(machine, f"{_COMMAND} domain add {_NAME.upper()}. 2>/dev/null")
    subject.lab.publish("domains", text)
    yield text
    ssh(machine, f"{_COMMAND} domain del --with-mailboxes {_NAME} || true")


@pytest.fixture(scope="module")
def zoe(machine: Machine, records: str) -> Login:
    """Return the login of a mailbox in it."""
    assert records
    made = json.loads(ssh(machine, f"{_COMMAND} user add --json zoe@{_NAME} 2>/dev/null"))
    return Login(address=made["address"], password=made["password"])


def test_new_domain_sends_and_receives(subject: Subject, machine: Machine, zoe: Login) -> None:
    """Its mail is taken, and what it sends passes by the records that were printed."""
    mail = compose(zoe.address, [world.FRIEND], "By new keys")
    mailclient.submit(subject.server, zoe, [world.FRIEND], bytes(mail))
    message = post.wait_for(subject.lab, mail["Message-ID"]).message
    found = acceptance.signatures(subject.lab, message)
    assert len(found) == 2
    assert all(signature.is_valid for signature in found)
    assert {signature.selector for signature in found} == set(_listed(machine)[_NAME]["selectors"])
    come = compose(world.STRANGER, [zoe.address, f"postmaster@{_NAME}"], "Welcome")
    assert bring(subject, zoe, bytes(come)) == 250
    arrives(subject, zoe, come)


def test_it_is_as_if_postfixadmin_had_made_it(machine: Machine, records: str) -> None:
    """One row, the roles' aliases, and a line in the log; the data are root's alone."""
    assert f"; The records to publish for {_NAME}, TTL 300 s." in records
    columns = "transport, active, backupmx, aliases, mailboxes, maxquota, quota"
    row = sql(machine, f"SELECT {columns} FROM domain WHERE domain = '{_NAME}'")
    assert row.split() == ["virtual", "1", "0", "0", "0", "0", "0"]
    roles = sql(machine, f"SELECT address FROM alias WHERE domain = '{_NAME}' AND goto <> address")
    assert sorted(roles.split()) == [f"{role}@{_NAME}" for role in ROLES]
    log = sql(machine, f"SELECT username, action FROM log WHERE data = '{_NAME}'")
    assert log.split("\t") == ["admin (postolka-instance)", "create_domain\n"]
    mode = ssh(machine, "sudo stat -c '%U %a' /var/lib/postolka/instance.yaml")
    assert mode == "root 600\n"


def test_platform_can_have_the_newer_data(
    machine: Machine, instance: Instance, records: str
) -> None:
    """As whole user-data: the new domain's keys, and the SSH keys that it gave before."""
    assert records
    text = ssh(machine, f"{_COMMAND} data").encode()
    found = parse(text)
    assert [domain.name for domain in found.domains][-1] == _NAME
    assert found.serial == _serial(machine) > parse(instance.user_data).serial
    (key,) = (line for line in instance.user_data.splitlines() if b"- ssh-ed25519 " in line)
    assert key in text.splitlines()
    again = f"{_COMMAND} data --output /root/user-data; sudo cat /root/user-data"
    assert ssh(machine, again).encode() == text
    assert ssh(machine, "sudo stat -c %a /root/user-data; sudo rm /root/user-data") == "600\n"
    refused = ssh(machine, "postolka-instance data 2>&1 || true")
    assert "only root may read them" in refused


def test_domain_made_in_sql_is_red_until_it_has_keys(machine: Machine) -> None:
    """With the command that makes them; what the row says stays."""
    name = "sql.test"
    sql(
        machine,
        "INSERT INTO domain (domain, description, transport, mailboxes)"
        f" VALUES ('{name}', 'by hand', 'virtual', 7)",
    )
    before = _serial(machine)
    path = f"domain {name}"
    says = f"has no DKIM keys: sudo postolka-instance domain add {name}"
    assert _problems(machine)[path] == says
    assert f"problem   {path}: {says}\n" in ssh(machine, f"{_COMMAND} status || true")
    assert f"{name}  0 mailboxes  0 aliases  no DKIM keys" in ssh(
        machine, f"{_COMMAND} domain list"
    )
    told = json.loads(
        ssh(machine, f"{_COMMAND} domain add --json --selector s1 {name} 2>/dev/null")
    )
    hosts = {row["host"] for row in told if row["zone"] == name}
    assert {"s1-rsa._domainkey", "s1-ed25519._domainkey", "_dmarc", "@"} <= hosts
    assert path not in _problems(machine)
    assert _serial(machine) == before + 1
    row = sql(machine, f"SELECT description, mailboxes FROM domain WHERE domain = '{name}'")
    assert row == "by hand\t7\n"
    # Nobody uses it, so nothing has to be said.
    ssh(machine, f"{_COMMAND} domain del {name}")
    assert name not in _listed(machine)


def test_what_can_not_be_is_refused(machine: Machine, subject: Subject, zoe: Login) -> None:
    """With the reason, and nothing is changed."""
    state = "sudo cat /var/lib/postolka/instance.yaml; sudo postolka-instance domain list"
    before = ssh(machine, state)
    for arguments, words in (
        (f"add {_NAME}", "is a domain of this server already"),
        ("add nodot", "is not fully qualified"),
        ("add --selector x_y new.test", "--selector: is not a selector"),
        (f"del {_NAME}", f"has {zoe.address}"),
        (f"del {subject.domain}", f"has the admin's address, {subject.admin.address}"),
        ("del nobodys.test", f"isn't a domain of this server ({subject.domain}, {_NAME})"),
    ):
        assert words in _refused(machine, arguments), arguments
    assert ssh(machine, state) == before
    assert "only root may" in ssh(machine, "postolka-instance domain list 2>&1 || true")


def test_domain_goes_with_its_mailboxes_when_told(
    subject: Subject, machine: Machine, zoe: Login
) -> None:
    """Its mail is kept aside; added again it has other keys and no old mail."""
    old = _listed(machine)[_NAME]["selectors"]
    ssh(machine, f"{_COMMAND} alias add far@{subject.domain} {zoe.address}")
    said = ssh(machine, f"{_COMMAND} domain del --with-mailboxes {_NAME}")
    assert f"far@{subject.domain} still leads there" in said
    (aside,) = (line.split()[-1] for line in said.splitlines() if "mail is in" in line)
    assert "Welcome" in ssh(machine, f"sudo grep -rh ^Subject: {aside}")
    for table in ("domain", "alias", "mailbox"):
        assert sql(machine, f"SELECT * FROM {table} WHERE domain = '{_NAME}'") == ""
    assert ssh(machine, f"sudo ls -d /var/vmail/{_NAME} 2>&1 || true").endswith(
        "No such file or directory\n"
    )
    assert _NAME not in ssh(machine, "sudo cat /etc/dkimkeys/SigningTable")
    ssh(machine, f"{_COMMAND} domain add {_NAME} 2>/dev/null")
    new = _listed(machine)[_NAME]
    assert set(new["selectors"]).isdisjoint(old)
    assert (new["mailboxes"], new["aliases"], new["takes_mail"]) == (0, len(ROLES), True)
