"""Backups go to a bucket of an object store, by S3's own protocol: moto's server in the lab."""

from __future__ import annotations

import base64
import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from postolka import namespace
from postolka.lab import acme, keys, tls, world
from postolka.run import run
from tests.container.applying import KEPT, serve_by
from tests.container.conftest import counters, ssh
from tests.container.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from postolka.lab.client import Lab
    from postolka.machines import Machine
    from postolka.mailclient import Login

pytestmark = pytest.mark.soak

_NAME = "s3.elsewhere.example"
_HOST = world.stranger(94)
_PORT = 9443
# $1 the URL.
_MAKE = """
import ssl, sys, urllib.request
request = urllib.request.Request(sys.argv[1], method="PUT")
urllib.request.urlopen(request, context=ssl._create_unverified_context()).read()
"""


@pytest.fixture(scope="module")
def bucket(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run an object store with a bucket; yield what the instance's data say of it."""
    place = tmp_path_factory.mktemp("s3")
    _write_certificate(place)
    # By its path, as restic asks: the host's name has no bucket in it.
    argv = ["env", "S3_IGNORE_SUBDOMAIN_BUCKETNAME=1"]
    argv += [sys.executable, "-m", "moto.server", "-H", _HOST.ipv4, "-p", str(_PORT)]
    argv += ["-c", str(place / "certificate.pem"), "-k", str(place / "key.pem")]
    with serving(lab, argv, _HOST.ipv4, _PORT):
        url = f"https://{_HOST.ipv4}:{_PORT}/backups"
        run([*namespace.argv(lab.strangers), sys.executable, "-c", _MAKE, url])
        lab.publish("s3", f"{_NAME}. 300 IN A {_HOST.ipv4}\n")
        authority = base64.b64encode(tls.authority()).decode("ascii")
        yield (
            f"s3: {{endpoint: 'https://{_NAME}:{_PORT}', bucket: backups, prefix: mail, "
            f"access_key: KEY, secret_key: secret-key, ca_certificate: {authority}}}"
        )
    lab.publish("s3", "")


def _write_certificate(place: Path) -> None:
    certificate, key = acme.certificate(keys.kept("acme-authority"), datetime.now(UTC), [_NAME])
    (place / "certificate.pem").write_bytes(certificate)
    (place / "key.pem").write_bytes(key)


def test_backup_goes_to_a_bucket(machine: Machine, bucket: str, alice: Login) -> None:
    """By a port that the data name, to a service that their authority vouches for; and back."""
    kept = ssh(machine, f"sudo cat {KEPT}")
    serve_by(machine, kept.replace("\nbackup:\n", f"\nbackup:\n  {bucket}\n"))
    try:
        ssh(machine, f"echo Subject: S3 | sudo doveadm save -u {alice.address}")
        assert ssh(machine, "sudo postolka-instance backup").startswith("snapshot ")
        assert counters(machine)["out.restic.tcp.backup"]
        assert len(json.loads(ssh(machine, "sudo postolka-instance backup list --json"))) == 1
        restore = f"sudo postolka-instance restore --mailbox {alice.address}"
        assert "/INBOX  " in ssh(machine, restore)
    finally:
        ssh(machine, f"sudo doveadm mailbox delete -r -u {alice.address} Restored; true")
        ssh(machine, "sudo sh -c 'rm -rf /var/lib/postolka-backup/*'")
        serve_by(machine, kept)
