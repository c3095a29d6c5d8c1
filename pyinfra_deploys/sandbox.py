"""What a service may do beside computing; systemd keeps it from all else (systemd.exec(5)).

Pure: no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

#: What every service does without.
_NEVER = (
    "LockPersonality=yes",
    "PrivateTmp=yes",
    "ProtectClock=yes",
    "ProtectControlGroups=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "ProtectProc=invisible",
    "ProtectSystem=strict",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "SystemCallArchitectures=native",
    # An error, which a daemon can tell of, in the place of a death.
    "SystemCallErrorNumber=EPERM",
)

#: Kinds of sockets for who asks the kernel about the machine's addresses, too (getifaddrs(3)).
WITH_NETLINK = ("INET", "INET6", "NETLINK", "UNIX")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """The limits of one service. The narrowest are the default; a room names what is needed."""

    unit: str
    writes: tuple[str, ...] = ()
    """Directories that it may write to, beside /tmp and its RuntimeDirectory=; `-` before one that
    need not be there."""
    capabilities: tuple[str, ...] = ()
    """capabilities(7), without CAP_."""
    families: tuple[str, ...] = ("INET", "INET6", "UNIX")
    """Kinds of sockets (address_families(7)), without AF_."""
    calls: tuple[str, ...] = ("@system-service",)
    """System calls, or groups of them (`systemd-analyze syscall-filter`)."""
    home: Literal["yes", "read-only", "no"] = "yes"
    """How /home and /root are protected."""
    has_devices: bool = False
    gains_privileges: bool = False
    """It starts programs with a set-group-ID bit, or with a SELinux domain of their own."""
    writes_code: bool = False
    """It makes machine code while it runs."""

    def __str__(self) -> str:
        """Return the drop-in."""
        switches = {
            "PrivateDevices": not self.has_devices,
            "NoNewPrivileges": not self.gains_privileges,
            "MemoryDenyWriteExecute": not self.writes_code,
        }
        lines = [
            *_NEVER,
            *(f"{name}={'yes' if is_on else 'no'}" for name, is_on in switches.items()),
            f"ProtectHome={self.home}",
            _list("CapabilityBoundingSet", [f"CAP_{name}" for name in self.capabilities]),
            _list("RestrictAddressFamilies", [f"AF_{name}" for name in self.families]),
            _list("SystemCallFilter", self.calls),
        ]
        if self.writes:
            lines.append(_list("ReadWritePaths", self.writes))
        head = "# Made by postolka from the rooms' SANDBOX.\n[Service]\n"
        return head + "".join(f"{line}\n" for line in sorted(lines))


def _list(name: str, words: Iterable[str]) -> str:
    return f"{name}={' '.join(words)}"
