"""Mail programs of Debian's against the server, from outside: what users have works."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from postolka import mailclient, namespace, tools
from postolka.acceptance import compose
from postolka.lab import post, world
from tests import checkouts
from tests.container import managesieve, realclients
from tests.container.conftest import ssh
from tests.container.managesieve import deliver
from tests.container.realclients import CERTIFICATE, WORK, Clients

if TYPE_CHECKING:
    from pathlib import Path

    from postolka.acceptance import Subject
    from postolka.machines import Machine
    from postolka.mailclient import Login

_SET = "clients"


@pytest.fixture(scope="module")
def root() -> tools.Tools:
    """Return the programs' root, unpacked from the lock that the server was built by."""
    return checkouts.unpacked(_SET)


@pytest.fixture
def clients(root: tools.Tools, subject: Subject, machine: Machine, tmp_path: Path) -> Clients:
    """Return the programs, a directory for them, and what they know of the world."""
    files, work = tmp_path / "files", tmp_path / "work"
    files.mkdir()
    work.mkdir()
    (files / "resolv.conf").write_text(f"nameserver {world.RESOLVER.ipv4}\n")
    (files / "server.pem").write_text(ssh(machine, "sudo cat /run/postolka/tls/certificate.pem"))
    where = namespace.argv(subject.lab.strangers)
    return Clients(tools=root, where=where, files=files, work=work)


@pytest.mark.parametrize("port", [465, 587])
def test_swaks_submits(subject: Subject, clients: Clients, port: int) -> None:
    """With a verified certificate, a login, to the inside and to the outside."""
    mail = compose(subject.first.address, [subject.second.address, world.FRIEND], "By swaks")
    (clients.work / "mail").write_bytes(bytes(mail))
    clients.run(
        "swaks",
        *("--server", subject.server.name, "--port", str(port)),
        "--tls-on-connect" if port == 465 else "--tls",
        *("--tls-verify", "--tls-verify-ca", "--tls-ca-path", CERTIFICATE),
        *("--auth", "PLAIN", "--auth-user", subject.first.address),
        *("--auth-password", subject.first.password),
        *("--from", subject.first.address),
        *("--to", f"{subject.second.address},{world.FRIEND}"),
        *("--data", f"@{WORK}/mail"),
    )
    assert mailclient.wait_for(subject.server, subject.second, mail["Message-ID"])
    assert post.wait_for(subject.lab, mail["Message-ID"])


@pytest.mark.parametrize("port", [465, 587])
def test_msmtp_submits(subject: Subject, clients: Clients, port: int) -> None:
    """As sendmail's stand-in on a user's machine."""
    mail = compose(subject.first.address, [subject.second.address], "By msmtp")
    (clients.work / "mail").write_bytes(bytes(mail))
    text = realclients.msmtp(subject.server.name, subject.first, port=port)
    configuration = clients.write("msmtprc", text)
    command = f"msmtp --file={configuration} {subject.second.address} <{WORK}/mail"
    clients.run("sh", "-c", command)
    assert mailclient.wait_for(subject.server, subject.second, mail["Message-ID"])


@pytest.mark.parametrize("port", [143, 993])
def test_mbsync_keeps_a_copy(
    subject: Subject, clients: Clients, machine: Machine, port: int
) -> None:
    """All folders come down, and a folder and its mail made at home go up."""
    login = subject.second
    mail = compose(world.STRANGER, [login.address], "For mbsync")
    deliver(machine, login.address, bytes(mail))
    text = realclients.mbsync(subject.server.name, login, port=port)
    configuration = clients.write("mbsyncrc", text)
    near = clients.work / "mail"
    near.mkdir()
    clients.run("mbsync", "--config", configuration, "--all")
    mark = str(mail["Message-ID"]).encode("ascii")
    inbox = [path.read_bytes() for path in (near / "INBOX").rglob("*,U=*")]
    assert sum(mark in content for content in inbox) == 1
    assert {"Archive", "Drafts", "Sent", "Spam", "Trash"} <= {path.name for path in near.iterdir()}
    folder = f"Home {port}"
    for part in ("cur", "new", "tmp"):
        (near / folder / part).mkdir(parents=True)
    own = compose(login.address, [world.FRIEND], "Written at home")
    (near / folder / "cur" / "1.home:2,S").write_bytes(bytes(own).replace(b"\r\n", b"\n"))
    clients.run("mbsync", "--config", configuration, "--all")
    with mailclient.inbox(subject.server, login) as client:
        assert client.select(f'"{folder}"')[0] == "OK"
        assert client.search(None, "HEADER", "Message-ID", f'"{own["Message-ID"]}"')[1] == [b"1"]


def test_sieve_connect_uploads_a_filter(
    subject: Subject, clients: Clients, machine: Machine
) -> None:
    """What it puts there and makes active files the next mail."""
    login: Login = subject.second
    clients.write("filter", 'require "fileinto";\nfileinto "By sieve-connect";\n')
    clients.write("password", f"{login.password}\n")
    common = (
        f"sieve-connect --server {subject.server.name} --port 4190 --tlscafile {CERTIFICATE} "
        f"--user {login.address} --passwordfd 3 --remotesieve clients"
    )
    for action in (f"--localsieve {WORK}/filter --upload", "--activate"):
        clients.run("sh", "-c", f"exec {common} {action} 3<{WORK}/password")
    try:
        mail = compose(world.STRANGER, [login.address], "To be filed")
        deliver(machine, login.address, bytes(mail))
        with mailclient.inbox(subject.server, login) as client:
            assert client.select('"By sieve-connect"')[0] == "OK"
            found = client.search(None, "HEADER", "Message-ID", f'"{mail["Message-ID"]}"')
            assert found[1] == [b"1"]
    finally:
        with managesieve.session(subject, login) as session:
            session.call('SETACTIVE ""')
            session.call('DELETESCRIPT "clients"')


def test_mutt_reads(subject: Subject, clients: Clients, machine: Machine) -> None:
    """The newest mail is opened over IMAPS and saved at home."""
    login = subject.second
    mail = compose(world.STRANGER, [login.address], "For mutt")
    deliver(machine, login.address, bytes(mail))
    keys = f"<last-entry><copy-message>{WORK}/saved<enter><quit>"
    configuration = clients.write("muttrc", realclients.mutt(subject.server.name, login, keys))
    clients.run("mutt", "-F", configuration, is_on_terminal=True)
    assert str(mail["Message-ID"]) in (clients.work / "saved").read_text()
