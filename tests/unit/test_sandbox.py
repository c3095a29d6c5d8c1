"""The limits of a service, as systemd reads them."""

from __future__ import annotations

from pyinfra_deploys.sandbox import Sandbox


def test_narrowest_is_the_default() -> None:
    """Nothing that a room doesn't name is allowed."""
    lines = str(Sandbox(unit="a.service")).splitlines()
    assert lines[1] == "[Service]"
    assert {
        "CapabilityBoundingSet=",
        "MemoryDenyWriteExecute=yes",
        "NoNewPrivileges=yes",
        "PrivateDevices=yes",
        "ProtectHome=yes",
        "ProtectSystem=strict",
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
        "SystemCallFilter=@system-service",
    } <= set(lines)
    assert not [line for line in lines if line.startswith("ReadWritePaths")]


def test_what_is_named_is_allowed() -> None:
    """Under the names that systemd.exec(5) has."""
    limits = Sandbox(
        unit="a.service",
        writes=("/run/a", "-/var/log/a"),
        capabilities=("SETUID", "NET_BIND_SERVICE"),
        families=("UNIX",),
        calls=("@system-service", "chroot"),
        home="read-only",
        has_devices=True,
        gains_privileges=True,
        writes_code=True,
    )
    assert {
        "CapabilityBoundingSet=CAP_SETUID CAP_NET_BIND_SERVICE",
        "MemoryDenyWriteExecute=no",
        "NoNewPrivileges=no",
        "PrivateDevices=no",
        "ProtectHome=read-only",
        "ReadWritePaths=/run/a -/var/log/a",
        "RestrictAddressFamilies=AF_UNIX",
        "SystemCallFilter=@system-service chroot",
    } <= set(str(limits).splitlines())
