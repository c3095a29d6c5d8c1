"""An instance on EC2: its data and key come from the metadata service."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from postolka import console, container, machines
from tests import started
from tests.container import metadata
from tests.container.conftest import Boots, new_instance, reboot, ssh
from tests.container.inner import init

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from postolka.machines import Machine

# A container has no SMBIOS table by which EC2 is known: its init's arguments say it instead.
_URL = f"'http://{metadata.ADDRESS}:{metadata.PORT}'"
_SOURCE = f"{{Ec2:%20{{strict_id:%20false,%20metadata_urls:%20[{_URL}]}}}}"
_EC2 = ("ds=Ec2", f"cc:{{datasource:%20{_SOURCE}}}end_cc")

#: What the platform gives, below the machine's directory.
_PUBLIC_KEY = "platform-key.pub"


@pytest.fixture(scope="module")
def ec2(boots: Boots, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Boot a machine whose only source of data is the metadata service."""
    instance = new_instance(tmp_path_factory.mktemp("ec2") / "files", domain="ec2.test")
    request = dataclasses.replace(boots.request(instance), arguments=_EC2)
    with machines.starting("container", request.name) as directory:
        machine = container.start(directory, request)
    # Not the file itself, which ssh(1) looks into beside the private key.
    public_key = directory / _PUBLIC_KEY
    public_key.write_bytes((directory / "ssh-key.pub").read_bytes())
    seed = (directory / "seed/user-data", public_key)
    enter = ["nsenter", f"--target={init(machine)}", "--net", "--"]
    address = ["ip", "address", "add", f"{metadata.ADDRESS}/32", "dev", "lo"]
    subprocess.run([*enter, *address], check=True)
    server = [sys.executable, "-m", "tests.container.metadata", *map(str, seed)]
    with subprocess.Popen([*enter, *server], stderr=subprocess.DEVNULL) as serving:
        yield machine
        serving.kill()
    started.drop(machine.name)


def test_instance_on_ec2_is_served_by_its_metadata(ec2: Machine) -> None:
    """The server gets ready, the key logs in, and cloud-init has nothing to complain about."""
    assert ec2.console
    state = console.wait(ec2.console, lambda: ec2.is_running, timeout_seconds=120)
    assert (state.word, state.hostname) == ("ready", "mail.ec2.test")
    status = ssh(ec2, "sudo cloud-init status --wait --long")
    assert "DataSourceEc2" in status
    assert "\nextended_status: done\n" in status
    assert "Valid schema" in ssh(ec2, "sudo cloud-init schema --system 2>&1")


@pytest.mark.soak
def test_lost_ssh_key_is_replaced_at_the_next_boot(ec2: Machine, tmp_path: Path) -> None:
    """By the platform's own key, or by user-data; it is the same instance, with the same data."""
    platforms, ours = (new_instance(tmp_path / name).directory for name in ("platform", "own"))
    user_data = ec2.directory / "seed/user-data"
    before = user_data.read_text()
    (old,) = (line for line in before.splitlines() if line.startswith("  - ssh-ed25519 "))
    user_data.write_text(before.replace(old, f"  - {(ours / 'ssh-key.pub').read_text().strip()}"))
    (ec2.directory / _PUBLIC_KEY).write_bytes((platforms / "ssh-key.pub").read_bytes())
    assert not _lets_in(ec2, ours / "ssh-key")
    assert reboot(ec2).word == "ready"
    assert _lets_in(ec2, ours / "ssh-key")
    assert _lets_in(ec2, platforms / "ssh-key")


def _lets_in(machine: Machine, key: Path) -> bool:
    """Say whether the machine's operator gets in with a key, and may do what root may."""
    argv = dataclasses.replace(machine, key=key).ssh()
    done = subprocess.run([*argv, "sudo id -u"], capture_output=True, text=True, check=False)
    return done.stdout == "0\n"
