"""The server as its boot leaves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.container.conftest import ssh

if TYPE_CHECKING:
    from postolka.machines import Machine


def test_nothing_failed_and_nothing_was_said(machine: Machine) -> None:
    """No failed unit, cloud-init is content, and its settings fit its schema."""
    assert ssh(machine, "systemctl list-units --failed --no-legend --plain") == ""
    assert "status: done" in ssh(machine, "sudo cloud-init status --long")
    assert "degraded" not in ssh(machine, "sudo cloud-init status --long")
    assert "Valid schema" in ssh(machine, "sudo cloud-init schema --system 2>&1")


def test_root_is_read_only(machine: Machine) -> None:
    """Nothing of the image can be changed from inside, as root either."""
    for path in ("/etc/x", "/usr/x", "/etc/postfix/main.cf"):
        assert "denied" in ssh(machine, f"sudo sh -c 'echo x >>{path}' || echo denied")
