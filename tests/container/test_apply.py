"""New data without a boot: who reads what changed is told, and wrong ones leave all as it was."""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509

from postolka import acceptance, cli, container, mailclient
from postolka.acceptance import compose
from postolka.instance.parse import parse
from postolka.lab import post, world
from postolka.mailclient import Login
from tests import started
from tests.container.applying import KEPT, apply, changed, data_of, of_the_lab, status
from tests.container.conftest import new_instance, reboot, ssh
from tests.container.sending import arrives, bring

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postolka.acceptance import Subject
    from postolka.machines import Machine
    from tests.container.conftest import Boots, Instance

_COMING = "198.51.100.99"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A machine, and the data that it has."""

    instance: Instance
    machine: Machine
    subject: Subject

    def status(self) -> dict[str, Any]:
        """Return what it says of its data and its units."""
        return status(self.machine)

    def changed(self, **fields: object) -> bytes:
        """Return its data as a document, newer and with some fields replaced."""
        return changed(self.machine, **fields)

    def trusting(self) -> bytes:
        """Return its data with one more forwarder, which dmarc-policy alone reads."""
        return self.changed(dmarc={"trusted_forwarders": [_COMING]})


@pytest.fixture(scope="module")
def server(boots: Boots, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Boot a server whose state stays."""
    place = tmp_path_factory.mktemp("apply")
    instance = new_instance(place / "files", domain="apply.example")
    machine = container.run(boots.request(instance, place / "state"))
    try:
        subject = acceptance.subject(machine, boots.lab, instance.directory)
        yield Server(instance=instance, machine=machine, subject=subject)
    finally:
        started.drop(machine.name)


def test_new_keys_sign_at_once(server: Server, boots: Boots) -> None:
    """Only the signers are told; a client that is connected notices nothing."""
    login, user_data = server.subject.first, server.instance.directory / "user-data"
    for _ in range(2):
        assert cli.main(["instance", "rotate-dkim", str(user_data)]) == 0
    boots.lab.publish("apply", server.instance.zone)
    wanted = {
        key.selector
        for domain in parse(server.instance.user_data).domains
        for key in domain.dkim
        if key.role == "active"
    }
    with mailclient.inbox(server.subject.server, login) as client:
        code, said = apply(server.machine, of_the_lab(server.instance))
        assert code == 0, said
        assert client.noop()[0] == "OK"
    told = {line.split()[1] for line in said.splitlines() if line.startswith("  told ")}
    assert told == {
        "opendkim.service",
        "opendkim-ed25519.service",
        # It creates what the data name for the first time.
        "postolka-database.service",
    }
    mail = compose(login.address, [world.FRIEND], "By the new keys")
    mailclient.submit(server.subject.server, login, [world.FRIEND], bytes(mail))
    message = post.wait_for(boots.lab, mail["Message-ID"]).message
    found = acceptance.signatures(boots.lab, message)
    assert all(signature.is_valid for signature in found)
    assert {signature.selector for signature in found} <= wanted
    after = server.status()
    assert (after["data"], after["problems"]) == ("applied", [])
    assert after["serial"] == parse(server.instance.user_data).serial


def test_new_domain_takes_mail_at_once(server: Server) -> None:
    """Its mailboxes are made, mail for them is taken, and what they send is signed."""
    first = data_of(server.machine)
    name, hash_ = "more.example", first["accounts"][0]["password_hash"]
    (keys,) = first["domains"].values()
    box = {"address": f"zoe@{name}", "password_hash": hash_}
    data = server.changed(
        domains={**first["domains"], name: keys}, accounts=[*first["accounts"], box]
    )
    code, said = apply(server.machine, data)
    assert code == 0, said
    login = Login(address=box["address"], password=server.subject.first.password)
    mail = compose(login.address, [login.address, world.FRIEND], "From the new domain")
    mailclient.submit(server.subject.server, login, [login.address, world.FRIEND], bytes(mail))
    arrives(server.subject, login, mail)
    message = post.wait_for(server.subject.lab, mail["Message-ID"]).message
    assert b" d=more.example" in message


def test_same_data_again_are_nothing_new(server: Server) -> None:
    """Nothing is changed, and nobody told."""
    data = ssh(server.machine, f"sudo cat {KEPT}").encode()
    assert apply(server.machine, data) == (0, f"serial {parse(data).serial}: applied")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"hostname": "-", "serial": 0}, ("hostname: ", "serial: must be 1 to ")),
        ({"serial": 1}, ("serial: 1 isn't above ",)),
    ],
    ids=["wrong", "older"],
)
def test_wrong_data_change_nothing(
    server: Server, fields: dict[str, object], words: tuple[str, ...]
) -> None:
    """Every problem is named, and the old data serve on."""
    before = server.status()
    code, said = apply(server.machine, server.changed(**fields))
    assert code == 1
    assert all(word in said for word in words), said
    assert server.status() == before


def test_what_a_checker_finds_is_no_daemons_problem(server: Server) -> None:
    """The daemons' own checkers see the new files before any daemon does."""
    before = server.status()
    spoil = "sudo sh -c 'cp /etc/opendkim.conf /run/spoilt; echo NoSuchSetting yes >>/run/spoilt; "
    spoil += "mount --bind /run/spoilt /etc/opendkim.conf'"
    ssh(server.machine, spoil)
    try:
        code, said = apply(server.machine, server.trusting())
    finally:
        ssh(server.machine, "sudo umount /etc/opendkim.conf; sudo rm /run/spoilt")
    assert code == 1
    assert "opendkim -n -x /etc/opendkim.conf" in said
    assert "the old data go on serving" in said
    assert server.status() == before
    assert _COMING not in ssh(server.machine, "sudo cat /etc/opendmarc/policy.json")
    assert ssh(server.machine, "sudo ls /run/postolka | grep -c staged || true").strip() == "0"


def test_daemon_that_fails_with_new_data_gets_the_old_ones_back(server: Server) -> None:
    """What no checker knew shows when it starts: the machine goes back by itself."""
    before = server.status()
    unit = "/run/systemd/system/dmarc-policy.service.d"
    check = f"ExecStartPre=/bin/sh -c '! grep -q {_COMING} /etc/opendmarc/policy.json'"
    lines = f"[Unit]\nStartLimitBurst=2\nStartLimitIntervalSec=60\n[Service]\n{check}\n"
    put = f"sudo mkdir -p {unit}; sudo tee {unit}/fail.conf >/dev/null"
    ssh(server.machine, f"{put} <<'END'\n{lines}END\nsudo systemctl daemon-reload")
    try:
        code, said = apply(server.machine, server.trusting())
        assert code == 1
        assert "dmarc-policy.service: failed" in said
        assert "the machine is back at what it had" in said
        after = server.status()
        assert (after["serial"], after["problems"]) == (before["serial"], [])
        mail = compose(world.STRANGER, [server.subject.first.address], "Still here")
        assert bring(server.subject, server.subject.first, bytes(mail)) == 250
        arrives(server.subject, server.subject.first, mail)
    finally:
        ssh(server.machine, f"sudo rm -r {unit}; sudo systemctl daemon-reload")
    code, said = apply(server.machine, server.trusting())
    assert code == 0, said
    assert "told     dmarc-policy.service" in said
    assert _COMING in ssh(server.machine, "sudo cat /etc/opendmarc/policy.json")


@pytest.mark.soak
def test_what_was_applied_outlives_a_boot_with_older_data(server: Server) -> None:
    """The platform still gives the first ones; the machine's are newer, and it says so."""
    name = "mx.apply.example"
    code, said = apply(server.machine, server.changed(hostname=name))
    assert code == 0, said
    assert _greeting(server) == name
    assert name in _certified(server)
    reboot(server.machine)
    assert _greeting(server) == name
    after = server.status()
    assert after["data"] == "older"
    assert after["problems"] == []
    said = ssh(server.machine, "sudo postolka-instance status")
    assert "warning   serial: " in said


def _greeting(server: Server) -> str:
    machine = server.machine
    with smtplib.SMTP(machine.host, machine.ports[587], timeout=60) as client:
        return client.ehlo()[1].decode("ascii").splitlines()[0]


def _certified(server: Server) -> list[str]:
    machine = server.machine
    pem = ssl.get_server_certificate((machine.host, machine.ports[993]))
    found = x509.load_pem_x509_certificate(pem.encode("ascii"))
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.DNSName)
