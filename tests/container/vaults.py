"""Machines outside that backups go to: an SSH server, from the image's own packages, in the lab."""

from __future__ import annotations

import contextlib
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from postolka import namespace
from postolka.lab import services, world
from postolka.run import ENVIRONMENT, run
from tests.image.overlay import mounted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.container.conftest import Boots

NAME = "vault.elsewhere.example"
HOST = world.stranger(91)
#: Not the usual one: the firewall opens what the data say.
PORT = 2222
USER = "keeper"
_START_SECONDS = 30
# $1: who may log in. Two host keys, of which the server shows one.
_PREPARE = f"""
set -eu
echo '{USER}:x:2000:2000::/home/{USER}:/bin/sh' >>/etc/passwd
echo '{USER}:*:20000::::::' >>/etc/shadow
mkdir -p /run/sshd /home/{USER}/.ssh
echo "$1" >/home/{USER}/.ssh/authorized_keys
chmod 0700 /home/{USER}/.ssh
chown -R 2000:2000 /home/{USER}
for name in key other; do ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/$name; done
"""
_CONFIGURATION = f"""\
Port {PORT}
ListenAddress {HOST.ipv4}
HostKey /etc/ssh/%s
UsePAM no
PasswordAuthentication no
PidFile none
Subsystem sftp internal-sftp
"""


@dataclass(slots=True)
class Vault:
    """An SFTP server among the strangers."""

    root: Path
    namespace: int
    server: subprocess.Popen[bytes] | None = None

    @property
    def host_key(self) -> str:
        """Its public key, as the instance's data have it."""
        kind, key, *_ = (self.root / "etc/ssh/key.pub").read_text(encoding="ascii").split()
        return f"{kind} {key}"

    @property
    def data(self) -> str:
        """What the instance's data say of it."""
        place = f'host: {NAME}, port: {PORT}, user: {USER}, path: "mail", '
        return f'sftp: {{{place}host_keys: ["{self.host_key}"]}}'

    def start(self, key: str = "key") -> None:
        """Have it serve, by one of its keys."""
        file = self.root / "etc/ssh/vault_config"
        file.write_text(_CONFIGURATION % key, encoding="ascii")
        self.server = subprocess.Popen(
            [
                *(*namespace.argv(self.namespace), "chroot", str(self.root)),
                *("/usr/sbin/sshd", "-D", "-e", "-f", "/etc/ssh/vault_config"),
            ],
            env=dict(ENVIRONMENT),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + _START_SECONDS
        while not services.answers(self.namespace, HOST.ipv4, PORT):
            assert time.monotonic() < deadline
            time.sleep(0.2)

    def stop(self) -> None:
        """Have it gone."""
        assert self.server
        self.server.terminate()
        self.server.wait()


@contextlib.contextmanager
def sftp(boots: Boots, directory: Path, public_key: str) -> Iterator[Vault]:
    """Run one that lets in who has the key."""
    with mounted(boots.built.root_layers, directory) as root:
        subprocess.run(["mount", "--bind", "/dev", root / "dev"], check=True)
        try:
            run(["chroot", str(root), "sh", "-c", _PREPARE, "prepare", public_key])
            vault = Vault(root, boots.lab.strangers)
            vault.start()
            boots.lab.publish("vault", f"{NAME}. 300 IN A {HOST.ipv4}\n")
            try:
                yield vault
            finally:
                vault.stop()
                boots.lab.publish("vault", "")
        finally:
            subprocess.run(["umount", "--lazy", root / "dev"], check=True)
