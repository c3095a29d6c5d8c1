"""Status on a server: what makes each light red that only a real daemon can turn on."""

from __future__ import annotations

import json
import smtplib
import time
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from postolka import mailclient, namespace
from postolka.acceptance import compose
from postolka.instance.checks.memory import MESSAGE
from postolka.lab import post, world
from tests.container.conftest import meanwhile, ssh, stopped
from tests.container.sending import settle

if TYPE_CHECKING:
    from postolka.acceptance import Subject
    from postolka.lab.client import Lab
    from postolka.machines import Machine
    from postolka.mailclient import Login

_HOUSE = "/usr/share/postolka/house.json"
_CERTIFICATE = "/run/postolka/tls/certificate.pem"
_SECONDS = 60
#: A program that prints the metrics.
FETCH = (
    "from urllib.request import urlopen; "
    'print(urlopen("http://127.0.0.1:9154/metrics", timeout=60).read().decode())'
)


def _status(machine: Machine) -> dict[str, Any]:
    found = json.loads(ssh(machine, "sudo postolka-instance status --json || true"))
    assert isinstance(found, dict)
    return found


def _told(machine: Machine, kind: str = "problems") -> dict[str, str]:
    return {item["path"]: item["text"] for item in _status(machine)[kind]}


def test_server_that_is_well_has_no_problem(machine: Machine) -> None:
    """Every subject has its line, and the operator sees it without sudo, too."""
    settle(machine)
    checks = {check["name"]: check["text"] for check in _status(machine)["checks"]}
    assert {"queue", "tls", "viruses", "rules", "database", "disk", "clock", "memory", "jobs"} <= (
        checks.keys()
    )
    assert "self-signed" in checks["tls"]
    assert checks["queue"] == "empty"
    said = ssh(machine, "postolka-instance status")
    assert "queue     empty" in said
    assert "state     ready" in said
    assert "problem" not in said


def test_mail_that_waits_is_red_beyond_the_limit(machine: Machine, alice: Login) -> None:
    """Setting status_queue_mails."""
    limited = f'sudo sh -c "sed \'s/\\"queue_mails\\": [0-9]*/\\"queue_mails\\": 1/\' {_HOUSE}"'
    shown = f"{limited} >/tmp/house; sudo mount --bind /tmp/house {_HOUSE}"
    send = f"echo x | /usr/sbin/sendmail {alice.address}; "
    with stopped(machine, "amavis.socket amavis.service"):
        ssh(machine, send * 2)
        deadline = time.monotonic() + _SECONDS
        while ssh(machine, "sudo postqueue -j | wc -l").strip() != "2":
            assert time.monotonic() < deadline
            time.sleep(1)
        assert "queue" not in _told(machine)
        with meanwhile(machine, shown, f"sudo umount {_HOUSE}"):
            assert _told(machine)["queue"].startswith("2 mails wait, more than 1")
    ssh(machine, "sudo postqueue -f")


def test_database_that_hangs_is_red(machine: Machine) -> None:
    """It listens, and answers nothing."""
    kill = "sudo systemctl kill --signal={} mariadb.service"
    with meanwhile(machine, kill.format("STOP"), kill.format("CONT")):
        assert _told(machine)["database"].startswith("no answer in 5 s")
    assert "database" not in _told(machine)


def test_certificate_of_another_host_is_red(machine: Machine) -> None:
    """What clients get isn't for this server's name."""
    make = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout /dev/null "
        "-subj /CN=other.test -addext subjectAltName=DNS:other.test -days 9 -out /tmp/other.pem"
    )
    shown = f"{make} 2>/dev/null; sudo mount --bind /tmp/other.pem {_CERTIFICATE}"
    with meanwhile(machine, shown, f"sudo umount {_CERTIFICATE}"):
        assert "but other.test" in _told(machine)["certificate"]


def test_limit_on_memory_that_was_met_is_told(machine: Machine) -> None:
    """As systemd notes it in the journal."""
    entry = f"MESSAGE_ID={MESSAGE}\\nMESSAGE=test\\nUNIT=test.service\\n"
    ssh(machine, f"printf '{entry}' | sudo logger --journald; sudo journalctl --sync")
    assert "1 time in the last day" in _told(machine, "warnings")["test.service"]


def _looked(machine: Machine) -> dict[str, str]:
    """Have the machine look what others see of it; return what it warns of."""
    # What it remembers of the DNS may be of another test.
    ssh(machine, "sudo rndc flush; sudo systemctl start postolka-lookout.service")
    found = _status(machine)
    return {item["path"]: item["text"] for item in (*found["problems"], *found["warnings"])}


def test_server_that_others_see_as_it_should_be_is_told_so(
    machine: Machine, subject: Subject
) -> None:
    """Port 25 by both families, names, lists, and the DNS; by an account that may do nothing."""
    assert (
        not {"port 25", "HELO", "PTR", "zen.spamhaus.org", "dns", "lookout"}
        & _looked(machine).keys()
    )
    checks = {check["name"]: check["text"] for check in _status(machine)["checks"]}
    greeted = f"{world.OUTSIDE.name} greets by IPv4 and {world.OUTSIDE.name} greets by IPv6"
    assert checks["outgoing"].startswith(f"port 25 is open, {greeted} (")
    assert f"{subject.address}, " in checks["names"]
    assert f"and {subject.server.name} name each other" in checks["names"]
    assert checks["lists"].startswith("none of 1 has this server")
    assert "record sets, none wrong, DNSSEC holds; all is well, so raise their TTL" in checks["dns"]
    user = ssh(machine, "systemctl show --value --property=User postolka-lookout.service")
    assert user.strip() == "lookout"
    with_secrets = "sudo -u lookout cat /var/lib/postolka/instance.yaml 2>&1 || true"
    assert "denied" in ssh(machine, with_secrets)


def test_port_25_that_a_provider_shuts_is_red(machine: Machine) -> None:
    """Nothing gets out by it; that a daemon is well doesn't help."""
    rule = "tcp dport 25 reject with icmpx admin-prohibited"
    chain = "add chain inet provider out { type filter hook output priority 9; }"
    shut = (
        f"sudo nft 'add table inet provider; {chain}; add rule inet provider out oif != lo {rule}'"
    )
    with meanwhile(machine, shut, "sudo nft delete table inet provider"):
        assert _looked(machine)["port 25"].startswith("no mail can leave, not by IPv4")
        assert "port 25" in _told(machine)
    assert "port 25" not in _looked(machine)


def test_what_others_hold_against_the_server_is_told(
    machine: Machine, subject: Subject, lab: Lab
) -> None:
    """A list that has it, an address without a name, and an MX record too many."""
    lab.block(subject.address)
    lab.unname(subject.address)
    lab.publish("test-status", f"{subject.domain}. 300 IN MX 5 {world.SINK.name}.\n")
    try:
        told = _looked(machine)
    finally:
        lab.publish("test-status", "")
        lab.unname()
        lab.unblock(subject.address)
    assert told["zen.spamhaus.org"].startswith(f"lists {subject.address}: 127.0.0.")
    assert told["PTR"] == f"{subject.address} has no name, not {subject.server.name}"
    assert f"{subject.domain}. MX" in told["dns"]
    assert not {"zen.spamhaus.org", "PTR", "dns"} & _looked(machine).keys()


def test_lookout_fails_nothing_without_a_resolver(machine: Machine) -> None:
    """It tells that nobody answers, and the unit has not failed."""
    with stopped(machine, "named.service"):
        ssh(machine, "sudo systemctl start postolka-lookout.service")
        told = _told(machine, "warnings")
    assert "no answer" in told["dns"]
    assert "no answer" in told["outgoing"]
    assert ssh(machine, "systemctl --failed --no-legend").strip() == ""


def test_prometheus_gets_the_same_on_loopback(machine: Machine, subject: Subject) -> None:
    """By a socket of systemd's, to whoever is on the machine, and to nobody else."""
    text = ssh(machine, f"python3 -c '{FETCH}'")
    found = {family.name: family for family in text_string_to_metric_families(text)}
    assert found["postolka_ready"].samples[0].value == 1
    assert found["postolka_database_up"].samples[0].value == 1
    assert {sample.labels["queue"] for sample in found["postolka_queue_mails"].samples} > {"hold"}
    # What only root may know.
    assert found["postolka_firewall_packets"].samples
    assert found["postolka_state_free_bytes"].samples[0].value > 1 << 20
    assert all(sample.value == 1 for sample in found["postolka_unit_up"].samples)
    # One that a timer and a path start is one.
    jobs = [sample.labels["unit"] for sample in found["postolka_job_ok"].samples]
    assert sorted(set(jobs)) == sorted(jobs)
    assert "postolka-acme.service" in jobs
    assert ssh(machine, "systemctl --failed --no-legend").strip() == ""
    with pytest.raises(OSError, match=r"."):
        namespace.connect(subject.lab.strangers, subject.address, 9154, timeout_seconds=2)


def test_client_that_says_nothing_holds_nobody_up(machine: Machine) -> None:
    """It has a process of its own, which ends; no unit has failed."""
    silent = 'import socket; socket.create_connection(("127.0.0.1", 9154)).close()'
    ssh(machine, f"python3 -c '{silent}'")
    assert "postolka_ready 1" in ssh(machine, f"python3 -c '{FETCH}'")
    assert ssh(machine, "systemctl --failed --no-legend").strip() == ""


def _followed(machine: Machine, mark: str) -> dict[str, Any]:
    """Return what is known of a mail once Postfix has said what became of it."""
    deadline = time.monotonic() + _SECONDS
    while True:
        found = json.loads(ssh(machine, f"postolka-instance trace '{mark}' --json || true"))
        if (found and found[0]["recipients"]) or time.monotonic() > deadline:
            (mail,) = found
            assert isinstance(mail, dict)
            return mail


def test_mail_is_followed_through_the_logs(machine: Machine, subject: Subject) -> None:
    """In from outside, through milters and filter, into the mailbox; and one that was refused."""
    mail = compose(world.STRANGER, [subject.first.address], "To be followed")
    with post.stranger(subject.lab, subject.address) as client:
        client.sendmail(world.STRANGER, [subject.first.address], bytes(mail))
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            client.sendmail(world.STRANGER, [f"nobody.here@{subject.domain}"], bytes(mail))
    mark = str(mail["Message-ID"])
    mailclient.wait_for(subject.server, subject.first, mark)
    found = _followed(machine, mark)
    programs = [step["program"] for step in found["steps"]]
    for program in ("opendkim", "opendmarc", "amavis", "postfix/lmtp", "dovecot"):
        assert program in programs, programs
    assert programs.index("opendmarc") < programs.index("amavis") < programs.index("dovecot")
    assert len({step["queue_id"] for step in found["steps"]} - {""}) == 2
    assert [step["time"] for step in found["steps"]] == sorted(
        step["time"] for step in found["steps"]
    )
    (recipient,) = found["recipients"]
    assert (recipient["address"], recipient["status"]) == (subject.first.address, "sent")
    refused = ssh(machine, f"postolka-instance trace nobody.here@{subject.domain}")
    assert "no mail came in" in refused
    assert "NOQUEUE: reject: RCPT" in refused
    said = ssh(machine, "postolka-instance trace nothing@of.that || true")
    assert "have nothing about nothing@of.that" in said
