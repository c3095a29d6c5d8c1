"""A MariaDB on another machine, reached by TLS: every daemon uses it, and the local one is off."""

from __future__ import annotations

import base64
import contextlib
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from postolka import acceptance, container, machines
from postolka.lab import world
from postolka.run import run
from tests import started
from tests.container.conftest import counters, new_instance, ssh
from tests.container.serving import serving
from tests.image.overlay import mounted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from postolka.machines import Machine
    from tests.container.conftest import Boots, Instance

_NAME = "db.elsewhere.example"
_HOST = world.stranger(90)
#: Not the usual one: the firewall opens what the data say.
_PORT = 3316
_USERS = ("amavis", "dovecot", "postfix", "root")
_QUOTA_SECONDS = 60
#: It is tried again every twenty seconds, and a try takes ten.
_FOUND_SECONDS = 90
#: Made in the root that the database runs in: an authority, and a certificate by it.
_CERTIFICATES = f"""
set -eu
cd /db
new="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
openssl req -x509 $new -days 30 -subj /CN=Database -keyout ca.key -out ca.pem
openssl req $new -subj /CN={_NAME} -keyout key.pem -out request.pem
echo subjectAltName=DNS:{_NAME} >extensions
openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -days 30 \\
    -extfile extensions -out cert.pem
openssl x509 -in ca.pem -outform DER -out ca.der
mariadb-install-db --rpm --cross-bootstrap --skip-test-db --user=mysql --datadir=/db/data \\
    --auth-root-authentication-method=socket --auth-root-socket-user=root
chown -R mysql:mysql /db
"""
_SERVER = (
    *("mariadbd", "--no-defaults", "--user=mysql", "--datadir=/db/data", "--socket=/db/socket"),
    *("--innodb-log-file-size=16M", "--innodb-buffer-pool-size=32M", "--skip-name-resolve"),
    *(f"--bind-address={_HOST.ipv4}", f"--port={_PORT}"),
    *("--ssl-cert=/db/cert.pem", "--ssl-key=/db/key.pem", "--ssl-ca=/db/ca.pem"),
)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A database among the strangers."""

    root: Path
    server: subprocess.Popen[bytes]

    def sql(self, statements: str) -> str:
        """Run statements as its administrator; return what they give."""
        client = ["chroot", str(self.root), "mariadb", "--no-defaults", "--socket=/db/socket", "-N"]
        return run(client, stdin=statements.encode()).decode()


@pytest.fixture(scope="module")
def elsewhere(boots: Boots, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elsewhere]:
    """Run a database from the image's own packages, in the lab."""
    lab = boots.lab
    with mounted(boots.built.root_layers, tmp_path_factory.mktemp("elsewhere")) as root:
        (root / "db").mkdir()
        subprocess.run(["mount", "--bind", "/dev", root / "dev"], check=True)
        try:
            run(["chroot", str(root), "sh", "-c", _CERTIFICATES])
            argv = ["chroot", str(root), *_SERVER]
            with serving(lab, argv, _HOST.ipv4, _PORT) as server:
                lab.publish("elsewhere", f"{_NAME}. 300 IN A {_HOST.ipv4}\n")
                yield Elsewhere(root, server)
        finally:
            subprocess.run(["umount", "--lazy", root / "dev"], check=True)


def _user_data(instance: Instance, root: Path) -> bytes:
    certificate = base64.b64encode((root / "db/ca.der").read_bytes()).decode("ascii")
    lines = f"database:\n  host: {_NAME}\n  port: {_PORT}\n  ca_certificate: {certificate}\n"
    return instance.user_data.replace(b"\ndatabase:\n", f"\n{lines}".encode("ascii"))


def _status(machine: Machine) -> str:
    return ssh(machine, "sudo postolka-instance status; true")


def _await_database(machine: Machine) -> None:
    """Wait until the machine has found its database."""
    deadline = time.monotonic() + _FOUND_SECONDS
    while "problem   database" in (text := _status(machine)):
        assert time.monotonic() < deadline, text
        time.sleep(1)


@contextlib.contextmanager
def _paused(elsewhere: Elsewhere) -> Iterator[None]:
    """Let the database answer nothing, as one whose machine hangs."""
    elsewhere.server.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        elsewhere.server.send_signal(signal.SIGCONT)


@pytest.mark.soak
def test_every_daemon_uses_a_database_elsewhere(
    boots: Boots, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    """Its administrator prepares it once; then mail flows, and nothing of it is kept here."""
    instance = new_instance(tmp_path / "files", domain="elsewhere.test")
    data = _user_data(instance, elsewhere.root)
    state = tmp_path / "state"
    machine = container.run(boots.request(instance, state, data))
    try:
        assert "database --print" in _status(machine)
        elsewhere.sql(ssh(machine, "sudo postolka-instance database --print"))
        _await_database(machine)
        subject = acceptance.subject(machine, boots.lab, instance.directory)
        acceptance.run(subject, lambda _promise, _seen: None)
        assert ssh(machine, "systemctl is-active mariadb.service; true").strip() == "inactive"
        deadline = time.monotonic() + _QUOTA_SECONDS
        while "alice@elsewhere.test" not in elsewhere.sql("SELECT * FROM postfixadmin.quota2"):
            assert time.monotonic() < deadline
            time.sleep(1)
        # What the machine's own commands write is there, too.
        assert "_domainkey" in ssh(machine, "sudo postolka-instance domain add more.test 2>&1")
        assert elsewhere.sql("SELECT action FROM postfixadmin.log") == "create_domain\n"
        assert "postmaster@more.test" in elsewhere.sql("SELECT address FROM postfixadmin.alias")
        # By the firewall's flow of each user that has one for it.
        seen = counters(machine)
        assert all(seen[f"out.{user}.tcp.database"] for user in _USERS), seen
        # Every account comes by TLS, or not at all.
        kinds = "SELECT DISTINCT ssl_type FROM mysql.user WHERE host='%'"
        assert elsewhere.sql(kinds).split() == ["ANY"]
    finally:
        machines.stop(machine.name)
    # A boot without it is a boot all the same, of which status tells; then it is found by itself.
    with _paused(elsewhere):
        machine = container.run(boots.request(instance, state, data))
    try:
        assert "problem   database" in _status(machine)
        _await_database(machine)
        subject = acceptance.subject(machine, boots.lab, instance.directory)
        acceptance.run(subject, lambda _promise, _seen: None)
    finally:
        started.drop(machine.name)
