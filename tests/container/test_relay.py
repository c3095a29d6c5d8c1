"""A server without mailboxes: mail goes on to the server behind it, which sends by it."""

from __future__ import annotations

import json
import os
import smtplib
from email import message_from_bytes
from typing import TYPE_CHECKING

import pytest

from postolka import acceptance, acceptance_relay, build, container
from postolka.acceptance import compose, signatures
from postolka.instance import document
from postolka.lab import post, sink, world
from tests import started
from tests.container import senders, signing_in
from tests.container.applying import apply, changed, status
from tests.container.conftest import Boots, meanwhile, new_instance, new_relay, ssh
from tests.container.test_filters import gtube, quarantined

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postolka.acceptance_relay import Relay
    from postolka.lab.client import Lab
    from postolka.machines import Machine
    from tests.container.conftest import Instance

_DOMAIN = "passed.test"
#: From the moment when the server behind can't be reached.
_UNREACHABLE = (
    f"sudo ip route add unreachable {world.SINK.ipv4}; "
    f"sudo ip -6 route add unreachable {world.SINK.ipv6}"
)
_REACHABLE = (
    f"sudo ip route del unreachable {world.SINK.ipv4}; "
    f"sudo ip -6 route del unreachable {world.SINK.ipv6}; sudo postqueue -f"
)


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Instance:
    """Return its data: the lab's sink is behind it."""
    place = tmp_path_factory.mktemp("passed") / "files"
    return new_relay(place, _DOMAIN)


@pytest.fixture(scope="module")
def machine(
    lab: Lab, instance: Instance, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    """Boot it, of an image of its own."""
    built = build.realise(want="root", progress=print, temporary_lock=True, profile="relay")
    state = tmp_path_factory.mktemp("passed-state") / "state"
    machine = container.run(Boots(built=built, lab=lab).request(instance, state))
    yield machine
    started.drop(machine.name)


@pytest.fixture(scope="module")
def relay(machine: Machine, lab: Lab, instance: Instance) -> Relay:
    """Return it as others see it."""
    return acceptance_relay.subject(machine, lab, instance.directory)


@pytest.mark.parametrize(
    ("promise", "check"), acceptance_relay.CHECKS, ids=[name for name, _ in acceptance_relay.CHECKS]
)
def test_image_is_accepted(relay: Relay, promise: str, check: object) -> None:
    """Packer lets nothing out that fails one of them."""
    assert callable(check)
    assert check(relay), promise


def test_nothing_of_mailboxes_is_there(machine: Machine) -> None:
    """Neither their packages nor their accounts, and whatever there is runs well."""
    installed = ssh(machine, "dpkg-query --show --showformat='${Package}\\n'").split()
    for word in ("dovecot", "mariadb", "roundcube", "postfixadmin", "php8.4", "mysql"):
        assert not [name for name in installed if name.startswith((word, f"postfix-{word}"))]
    assert ssh(machine, "cut -d: -f1 /etc/passwd | grep -cE 'vmail|mysql|dovecot' || true") == "0\n"
    found = status(machine)
    assert (found["state"], found["problems"]) == ("ready", [])
    assert ssh(machine, "systemctl --failed --no-legend") == ""
    assert "error" not in ssh(machine, "sudo journalctl -q -o cat -p err -u postfix -u amavis")


@pytest.mark.parametrize("words", ["user list", "alias list", "domain list"])
def test_what_is_about_mailboxes_says_so(machine: Machine, words: str) -> None:
    """In words, with exit code 1."""
    said = ssh(machine, f"sudo postolka-instance {words} 2>&1; echo $?")
    assert said == "postolka-instance: database: there is none: this server has no mailboxes\n1\n"


def test_status_page_knows_the_admin_of_the_data(machine: Machine, instance: Instance) -> None:
    """There is no PostfixAdmin to ask."""
    admin = acceptance.credentials(instance.directory)["admin"]
    for login, password, expected in (
        (admin["address"], admin["password"], 200),
        (admin["address"], "wrong", 401),
        (f"somebody@{_DOMAIN}", admin["password"], 401),
    ):
        headers = signing_in.basic(login, password)
        answer = signing_in.ask(machine, f"mail.{_DOMAIN}", "/status/", headers=headers)
        assert answer.status == expected
        assert ("<h1>" in answer.body) == (expected == 200)


def test_mail_goes_on_as_it_came(relay: Relay, lab: Lab) -> None:
    """The sender is the sender's, so that the server behind can answer; its signature holds."""
    senders.publish(lab)
    to = f"somebody+folder@{relay.domain}"
    mail = compose(senders.BANK.address, [to], "From the bank")
    host = senders.BANK.number
    with post.stranger(lab, relay.address, number=host, helo=senders.BANK.domain) as client:
        _rcpt(client, senders.BANK.address, to)
        client.data(senders.BANK.sign(bytes(mail)))
    arrived = post.wait_for(lab, mail["Message-ID"])
    assert (arrived.sender, arrived.recipients) == (senders.BANK.address, (to,))
    assert arrived.port == sink.PORT
    found = message_from_bytes(arrived.message)
    assert found["X-Spam-Flag"] is None or found["X-Spam-Flag"] == "NO"
    assert "dmarc=pass" in str(found.get_all("Authentication-Results"))
    assert [item.is_valid for item in signatures(lab, arrived.message)] == [True]


def _rcpt(client: smtplib.SMTP, sender: str, to: str) -> None:
    """Name a recipient, again until the server behind has been asked."""
    for _ in range(20):
        assert client.mail(sender)[0] == 250
        code, text = client.rcpt(to)
        if code == 250:
            return
        assert code == 450, text
        client.rset()
    pytest.fail(f"{to}: {text!r}")


def test_spam_stays_in_the_quarantine(relay: Relay, machine: Machine, lab: Lab) -> None:
    """GTUBE is taken, and the server behind sees nothing of it."""
    to = f"somebody@{relay.domain}"
    mail = gtube(world.FRIEND, to)
    post.send(lab, world.FRIEND, [to], bytes(mail))
    assert quarantined(machine, mail["Message-ID"])
    mark = mail["Message-ID"].encode("ascii")
    assert not any(mark in arrived.message for arrived in post.sunk(lab))
    identifier = json.loads(ssh(machine, "sudo postolka-instance quarantine list --json"))[-1]["id"]
    ssh(machine, f"sudo postolka-instance quarantine release {identifier}")
    assert post.wait_for(lab, mail["Message-ID"]).recipients == (to,)


@pytest.mark.parametrize("domain", ["sub.passed.test", "passed.test.example", "notpassed.test"])
def test_only_the_domain_itself_is_taken(relay: Relay, domain: str) -> None:
    """By default Postfix would take what is below a domain, too."""
    assert acceptance_relay.refusal(relay, f"somebody@{domain}")[0] == 554


def test_known_recipients_wait_for_the_server_behind(relay: Relay, machine: Machine) -> None:
    """While it is away others' mail to whom it knew is taken, and to whom it didn't put off."""
    known, new = f"known@{relay.domain}", f"new-{os.getpid()}@{relay.domain}"
    with post.stranger(relay.lab, relay.address) as client:
        _rcpt(client, world.STRANGER, known)
    with meanwhile(machine, _UNREACHABLE, _REACHABLE):
        with post.stranger(relay.lab, relay.address) as client:
            client.mail(world.STRANGER)
            assert client.rcpt(new)[0] == 450
        mail = compose(world.STRANGER, [known], "For later")
        with post.stranger(relay.lab, relay.address) as client:
            client.sendmail(world.STRANGER, [known], bytes(mail))
        waits = f"sudo postqueue -p | grep -q '{known}'"
        ssh(machine, f"for i in $(seq 60); do {waits} && exit; sleep 0.5; done; exit 1")
    assert post.wait_for(relay.lab, mail["Message-ID"]).recipients == (known,)


def test_others_mail_gets_a_sender_of_the_servers(relay: Relay) -> None:
    """What the server behind sends on for others would fail their SPF check."""
    mail = compose(world.STRANGER, [world.FRIEND], "Sent on")
    arrived = acceptance_relay.submit(relay, world.STRANGER, mail)
    assert arrived.sender.startswith("SRS0=")
    assert arrived.sender.endswith(f"@{relay.domain}")
    # A bounce to it goes on to whom it stands for.
    bounce = compose("MAILER-DAEMON@outside.example", [arrived.sender], "Undelivered")
    with post.stranger(relay.lab, relay.address) as client:
        _rcpt(client, "", arrived.sender)
        client.data(bytes(bounce))
    assert post.wait_for(relay.lab, bounce["Message-ID"]).recipients == (world.STRANGER,)


def test_bounce_of_the_server_behind_leaves(relay: Relay) -> None:
    """It has no sender."""
    mail = compose(f"MAILER-DAEMON@{relay.domain}", [world.FRIEND], "Undelivered")
    assert acceptance_relay.submit(relay, "", mail).sender == "MAILER-DAEMON"


def test_clients_are_those_of_the_data(relay: Relay, machine: Machine) -> None:
    """Without its network in the data the server behind is a stranger like others."""
    clients = [f"{world.SINK.ipv4}/32", f"{world.SINK.ipv6}/128"]
    code, said = apply(machine, changed(machine, clients=[]))
    assert (code, "told     postfix.service" in said) == (0, True), said
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        acceptance_relay.send(relay)
    code, said = apply(machine, changed(machine, clients=clients))
    assert code == 0, said
    assert acceptance_relay.send(relay)


def test_data_for_mailboxes_are_refused(machine: Machine, instance: Instance, relay: Relay) -> None:
    """With what to do; the old ones go on serving."""
    other = new_instance(instance.directory.with_name("other"), domain=_DOMAIN)
    code, said = apply(machine, document.part(other.user_data, where="test"))
    assert code == 1
    assert "database: the image has no mailboxes" in said
    assert acceptance_relay.receive(relay)


def test_backup_has_no_database(machine: Machine) -> None:
    """Keys, data and quarantine are worth one all the same."""
    backup = {"password": "a-password-of-tests", "path": "/var/backups/postolka/here"}
    code, said = apply(machine, changed(machine, backup=backup))
    assert code == 0, said
    assert ssh(machine, "sudo postolka-instance backup 2>&1").startswith("snapshot ")
    restored = ssh(machine, "sudo postolka-instance restore 2>&1 || true")
    assert "database  none: there are no mailboxes" in restored, restored
    assert status(machine)["state"] == "ready"
