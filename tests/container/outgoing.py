"""What became of outgoing mail, by the machine's log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.container.conftest import ssh

if TYPE_CHECKING:
    from postolka.machines import Machine


def fate(machine: Machine, recipient: str) -> str:
    """Return the log's first line about the delivery to `recipient` outside, once there is one."""
    lines = f"sudo journalctl -u postfix.service -o cat | grep 'to=<{recipient}>.*dsn='"
    # Not the hop through the filter.
    log = f"{lines} | grep -m 1 -v ']:1002'"
    return ssh(machine, f"for i in $(seq 80); do {log} && break; sleep 0.5; done")
