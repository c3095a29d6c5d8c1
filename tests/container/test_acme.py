"""Certificates from an authority, over the wire: Pebble vouches for the server."""

from __future__ import annotations

import base64
import json
import smtplib
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import dns.tsig
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from postolka import acceptance, container, files, identity, machines, mailclient, namespace
from postolka.instance import chain, editing, keys
from postolka.instance.parse import parse
from postolka.lab import acme, world
from pyinfra_deploys import server as house
from pyinfra_deploys.settings import Settings
from tests.container.applying import apply, newer
from tests.container.conftest import JOURNAL, Instance, meanwhile, reboot, ssh
from tests.container.primary import Primary
from tests.unit.authority import Authority

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postolka.acceptance import Subject
    from postolka.machines import Machine
    from tests.container.conftest import Boots

_DOMAIN = "certified.example"
_HOST = f"mail.{_DOMAIN}"
_POLICY = f"mta-sts.{_DOMAIN}"
_OUTLOOK = f"autodiscover.{_DOMAIN}"
_LATE = f"autoconfig.{_DOMAIN}"
_START = "sudo systemctl start postolka-acme"
#: What is under way already may have looked before.
_LOOK = f"{_START}; sudo rm -f /var/lib/postolka-acme/next; {_START}"
_HELD = "/run/systemd/system/postolka-acme.service.d"
_HOLD = (
    f"sudo mkdir -p {_HELD}; printf '[Service]\\nExecCondition=/bin/false\\n'"
    f" | sudo tee {_HELD}/90-held.conf >/dev/null; sudo systemctl daemon-reload"
)
_LET_GO = f"sudo rm {_HELD}/90-held.conf; sudo systemctl daemon-reload"
_RENEW = "sudo postolka-instance certificate renew"
_SHUT = "https://acme.example:444/dir"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A machine that orders its certificates."""

    machine: Machine
    subject: Subject

    def served(self, port: int = 993) -> x509.Certificate:
        """Return what it shows to who speaks TLS from the first byte."""
        where = (self.machine.host, self.machine.ports[port])
        return x509.load_pem_x509_certificate(ssl.get_server_certificate(where).encode("ascii"))

    def served_to_mail(self) -> x509.Certificate:
        """Return what it shows after STARTTLS on port 25."""
        with self.subject.lab.connect(self.subject.address, 25) as connection:
            client = smtplib.SMTP(timeout=60)
            client.sock = connection
            client.getreply()
            client.ehlo()
            client._host = _HOST  # type: ignore[attr-defined]
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            client.starttls(context=context)
            assert isinstance(client.sock, ssl.SSLSocket)
            with client.sock as secured:
                found = secured.getpeercert(binary_form=True)
        assert found
        return x509.load_der_x509_certificate(found)

    def data(self, **fields: object) -> dict[str, Any]:
        """Return its data as they are, newer, with some fields replaced."""
        return newer(self.machine, **fields)

    def apply(self, values: dict[str, Any]) -> None:
        """Have it serve by other data, and look what they want ordered."""
        code, said = apply(self.machine, json.dumps(values).encode())
        assert code == 0, said

    def look(self) -> None:
        """Have it look for what is to be ordered, and order that, now."""
        ssh(self.machine, _LOOK)

    def told(self) -> list[str]:
        """Return what its status warns of for the certificate."""
        found = json.loads(ssh(self.machine, "sudo postolka-instance status --json || true"))
        return [item["text"] for item in found["warnings"] if item["path"] == "certificate"]

    def facts(self) -> dict[str, Any]:
        """Return what its own command says."""
        found = json.loads(ssh(self.machine, "sudo postolka-instance certificate --json"))
        assert isinstance(found, dict)
        return found


def _is_authoritys(certificate: x509.Certificate) -> bool:
    return chain.issuer(certificate).startswith("Pebble")


def _of_key(certificate: x509.Certificate, private_key: str) -> bool:
    return certificate.public_key() == keys.decode(private_key).public_key()


@pytest.fixture(scope="module")
def server(boots: Boots, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Boot a server one of whose names isn't in the DNS yet."""
    place = tmp_path_factory.mktemp("acme")
    request = identity.Request(domain=_DOMAIN, hostname=_HOST, accounts=("alice", "bob"), acme=True)
    made = identity.make(request, serial=editing.new_serial(), ports=house.ports(Settings()))
    identity.write(made, place / "files")
    zone = place / "files/zone"
    lines = [line for line in made.zone.splitlines() if not line.startswith(_LATE)]
    files.replace(zone, ("\n".join(lines) + "\n").encode("ascii"), mode=0o644)
    instance = Instance(directory=place / "files")
    machine = container.run(boots.request(instance, place / "state"))
    try:
        subject = acceptance.subject(machine, boots.lab, instance.directory)
        yield Server(machine=machine, subject=subject)
    finally:
        machines.stop(machine.name)


def test_authority_vouches_for_the_server(server: Server) -> None:
    """On every port, for the key that TLSA records name; who is connected notices nothing.

    The name that isn't in the DNS yet fails no other, and status names it.
    """
    before = server.served()
    assert chain.is_self_signed(before)
    machine = server.machine
    with (
        mailclient.inbox(server.subject.server, server.subject.first) as reader,
        smtplib.SMTP(machine.host, machine.ports[587], timeout=60) as sender,
    ):
        sender.ehlo()
        server.look()
        for found in (server.served(), server.served(465), server.served(443)):
            assert _is_authoritys(found), ssh(machine, f"{JOURNAL} -u postolka-acme")
            assert found.public_key() == before.public_key()
            assert set(chain.names(found)) == {_HOST, _POLICY, _OUTLOOK}
        assert _is_authoritys(server.served_to_mail())
        assert reader.noop()[0] == "OK"
        assert sender.noop()[0] == 250
    assert server.told() == [f"is without {_LATE}: has no address in the DNS"]
    assert ssh(server.machine, "systemctl --failed --no-legend").strip() == ""


def test_client_has_no_key_and_no_way_elsewhere(server: Server) -> None:
    """An account that sees neither data nor key, and that the firewall lets to the authority."""
    user = ssh(server.machine, "systemctl show --value --property=User postolka-acme.service")
    assert user.strip() == "acme"
    for secret in ("/var/lib/postolka/instance.yaml", "/run/postolka/tls/key.pem"):
        assert "denied" in ssh(server.machine, f"sudo -u acme cat {secret} 2>&1 || true")
    flows = ssh(server.machine, "sudo nft list set inet postolka acme")
    assert "elements = { 443 }" in flows
    assert "elements" not in ssh(server.machine, "sudo nft list set inet postolka acme_dns")


@pytest.mark.soak
def test_name_that_comes_later_is_added(server: Server) -> None:
    """Once its record is there; and nothing is ordered again after that."""
    server.subject.lab.publish("acme-late", f"{_LATE}. 300 IN CNAME {_HOST}.\n")
    ssh(server.machine, "sudo rndc flush")
    server.look()
    found = server.served()
    assert set(chain.names(found)) == {_HOST, _POLICY, _OUTLOOK, _LATE}
    assert server.told() == []
    server.look()
    assert server.served() == found


@pytest.mark.soak
def test_certificate_outlives_a_reboot(server: Server) -> None:
    """It is on the state partition, and nothing is ordered for the boot."""
    before = server.served()
    reboot(server.machine)
    assert server.served() == before
    server.look()
    assert server.served() == before


@pytest.mark.soak
def test_certificate_is_renewed_at_two_thirds_of_its_time(server: Server) -> None:
    """For the same key, without anybody's doing."""
    key = server.data()["tls"]["key"]
    names = chain.names(server.served())
    old = Authority().certificate(key, names, datetime.now(UTC) - timedelta(days=31), 45)
    place = f"/var/lib/postolka-acme/certificates/{keys.spki_sha256(key)}.pem"
    text = base64.b64encode(chain.pem([old])).decode("ascii")
    ssh(server.machine, f"echo {text} | base64 -d | sudo tee {place} >/dev/null")
    ssh(server.machine, "sudo postolka-instance apply")
    assert server.served() == old
    server.look()
    found = server.served()
    assert _is_authoritys(found)
    assert _of_key(found, key)
    assert set(chain.names(found)) == set(names)


@pytest.mark.soak
def test_authority_that_is_down_is_told_and_asked_later(server: Server) -> None:
    """The server goes on with what it has; no unit fails."""
    before, told_before = server.served(), server.told()
    good = server.data()
    server.apply({**good, "acme": {**good["acme"], "directory": _SHUT}})
    why = f"GET {_SHUT} failed: Could not connect to server"
    assert f"certificate: {why}\n" in ssh(server.machine, f"{_RENEW} 2>&1 || true")
    (told,) = (text for text in server.told() if "the order failed" in text)
    assert "tried again in" in told
    assert told.endswith(f": {why}")
    # The timer comes by, and it isn't time yet.
    asked = ssh(server.machine, "sudo cat /var/lib/postolka-acme/record.json")
    ssh(server.machine, _START)
    assert ssh(server.machine, "sudo cat /var/lib/postolka-acme/record.json") == asked
    assert server.served() == before
    assert ssh(server.machine, "systemctl --failed --no-legend").strip() == ""
    server.apply({**good, "serial": good["serial"] + 1})
    server.look()
    assert server.told() == told_before


@pytest.mark.soak
def test_roll_over_leaves_no_time_without_a_good_certificate(server: Server) -> None:
    """The next key's is ordered ahead; the TLSA record that counts then is published already."""
    said = json.loads(ssh(server.machine, "sudo postolka-instance certificate next --json"))
    values = server.data()
    new = values["tls"]["next_key"]
    digest = keys.spki_sha256(new)
    assert said["next_key"]["tlsa"] == f"3 1 1 {digest}"
    tlsa = server.subject.lab.lookup(f"_25._tcp.{_HOST}", "TLSA")
    assert f"3 1 1 {digest}".encode("ascii") in tlsa
    spare = Authority().key
    values["tls"] = {"key": new, "next_key": keys.encode(spare)}
    server.apply(values)
    for found in (server.served(), server.served_to_mail()):
        assert _is_authoritys(found)
        assert _of_key(found, new)


@pytest.mark.soak
def test_roll_over_without_preparation_keeps_dane_right(server: Server) -> None:
    """Self-signed by the new key, until its certificate is there a moment later."""
    values = server.data()
    new = values["tls"]["next_key"]
    values["tls"] = {"key": new, "next_key": keys.encode(Authority().key)}
    with meanwhile(server.machine, _HOLD, _LET_GO):
        server.apply(values)
        assert _of_key(server.served(), new)
        assert chain.is_self_signed(server.served())
    server.look()
    assert _is_authoritys(server.served())
    assert _of_key(server.served_to_mail(), new)


@pytest.mark.soak
def test_new_data_are_looked_at_at_once(server: Server) -> None:
    """A domain more is two names more, without waiting for the timer."""
    name = "later.example"
    zone = ssh(server.machine, f"sudo postolka-instance domain add {name} 2>/dev/null")
    server.subject.lab.publish("acme-later", zone)
    ssh(server.machine, "sudo rndc flush")
    end = time.monotonic() + 90
    while f"mta-sts.{name}" not in chain.names(server.served()):
        assert time.monotonic() < end, server.told()
        time.sleep(1)
        if f"is without mta-sts.{name}" in "".join(server.told()):
            server.look()


@pytest.mark.soak
def test_policy_is_enforced_once_the_certificate_verifies(server: Server) -> None:
    """With Pebble's root among the instance's authorities."""
    command = "cat /etc/apache2/public/mta-sts.txt"
    assert "mode: testing" in ssh(server.machine, command)
    server.apply(server.data(authorities=[_root(server)]))
    assert "mode: enforce" in ssh(server.machine, command)


def _root(server: Server) -> str:
    """Return Pebble's root, new at each start, as instance data have it."""
    lab = server.subject.lab
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    plain = namespace.connect(lab.strangers, world.ACME.ipv4, acme.MANAGEMENT_PORT)
    with context.wrap_socket(plain) as connection:
        connection.sendall(b"GET /roots/0 HTTP/1.0\r\nHost: acme.example\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    (root,) = chain.load(answer.partition(b"\r\n\r\n")[2])
    return base64.b64encode(root.public_bytes(serialization.Encoding.DER)).decode("ascii")


@pytest.mark.soak
def test_names_are_proved_in_the_dns(server: Server) -> None:
    """By a name server that takes updates with the right key, and none with a wrong one.

    The firewall lets the client there, and port 80 isn't used: nothing listens on it.
    """
    secret = base64.b64encode(b"a secret of the test, no other's").decode("ascii")
    key = dns.tsig.Key("acme-test", secret, dns.tsig.HMAC_SHA512)
    primary = Primary(server.subject.lab, world.stranger(53).ipv4, key)
    values = server.data()
    update = {"server": world.stranger(53).ipv4, "key_name": "acme-test"}
    update |= {"algorithm": "hmac-sha512"}
    wrong = base64.b64encode(b"something else that fits in").decode("ascii")
    with primary.serving():
        values["acme"]["dns"] = {**update, "secret": wrong}
        server.apply(values)
        before = server.served()
        refused = ssh(server.machine, f"{_RENEW} 2>&1 || true")
        # The name that was asked last.
        assert f": {world.stranger(53).ipv4}: refuses the update: NOTAUTH\n" in refused
        assert server.served() == before
        values["acme"]["dns"] = {**update, "secret": secret}
        values["serial"] += 1
        server.apply(values)
        shut = "sudo nft insert rule inet postolka input tcp dport 80 drop"
        with meanwhile(server.machine, shut, "sudo systemctl restart nftables"):
            ssh(server.machine, _RENEW)
    found = server.served()
    assert found != before
    assert _is_authoritys(found)
    assert any(record.startswith(f"_acme-challenge.{_HOST}. ") for record in primary.taken)


@pytest.mark.soak
def test_own_certificate_is_served(server: Server) -> None:
    """As it stands in the data, and no authority is asked any more."""
    values = server.data()
    authority = Authority()
    made = authority.certificate(values["tls"]["key"], [_HOST], datetime.now(UTC), 90)
    given = [made, authority.root]
    values["tls"]["certificate"] = [
        base64.b64encode(item.public_bytes(serialization.Encoding.DER)).decode("ascii")
        for item in given
    ]
    values["acme"] = {"enabled": False}
    server.apply(values)
    assert server.served() == server.served_to_mail() == made
    server.look()
    assert server.served() == made
    assert server.told() == []
    assert parse(json.dumps(values).encode()).tls.certificate
