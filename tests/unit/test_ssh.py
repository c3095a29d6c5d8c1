"""The SSH server's configuration, and the script that makes its host keys."""

from __future__ import annotations

from dataclasses import replace

from pyinfra_deploys import ssh
from pyinfra_deploys.sections import SshSettings
from pyinfra_deploys.settings import Settings
from tests.unit import golden

_PATH = "/etc/ssh/sshd_config.d/10-postolka.conf"


def test_configuration_is_golden() -> None:
    """The server's configuration is the one that was read and tried."""
    golden.check("ssh", _PATH, golden.baked(ssh)[_PATH])


def test_root_is_let_in_only_by_setting() -> None:
    """ssh.root_login on: root may come in, with a key."""
    settings = replace(Settings(), ssh=SshSettings(root_login=True))
    assert b"\nPermitRootLogin no\n" in golden.baked(ssh)[_PATH]
    assert b"\nPermitRootLogin prohibit-password\n" in golden.baked(ssh, settings)[_PATH]


def test_every_host_key_is_made() -> None:
    """The script makes the keys that sshd is told to use, and no other."""
    files = golden.baked(ssh)
    script = files["/usr/libexec/postolka/ssh-host-keys"].decode()
    types = script.partition("for type in ")[2].partition(";")[0].split()
    configured = [
        line.split()[1] for line in files[_PATH].decode().splitlines() if line.startswith("HostKey")
    ]
    assert configured == [f"/var/lib/postolka/ssh/ssh_host_{name}_key" for name in types]


def test_ssh_is_open_before_there_are_data() -> None:
    """The port and the unit wait for no instance data."""
    assert not any(item.needs_instance for item in (*ssh.PORTS, *ssh.UNITS))
