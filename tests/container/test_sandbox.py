"""The limits of services: as narrow as docs/hardening.md says."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from postolka.home import CHECKOUT
from pyinfra_deploys import server
from tests.container.conftest import ssh

if TYPE_CHECKING:
    from postolka.machines import Machine

_ROW = re.compile(r"^\| `([\w@.-]+)` \| (\d+\.\d) \|", re.MULTILINE)
#: systemd's own, and those that docs/hardening.md says are as they are on purpose.
_OTHERS = re.compile(
    r"(systemd-|getty|console-getty|serial-getty|user@|cloud-|emergency|rescue|rc-local|dbus|"
    r"ssh\.|cron\.|postfix@|initrd|modprobe|e2scrub|fstrim|apt-|dpkg-)"
)


def _exposures(machine: Machine) -> dict[str, float]:
    said = json.loads(ssh(machine, "systemd-analyze security --json=short --no-pager"))
    # Of a template the instances are listed.
    return {re.sub("@.+[.]", "@.", item["unit"]): float(item["exposure"]) for item in said}


def test_no_service_is_more_exposed_than_the_table_says(machine: Machine) -> None:
    """And none is missing there."""
    text = (CHECKOUT / "docs/hardening.md").read_text(encoding="utf-8")
    table = {unit: float(exposure) for unit, exposure in _ROW.findall(text)}
    found = {unit: it for unit, it in _exposures(machine).items() if not _OTHERS.match(unit)}
    assert found.keys() - table.keys() == set()
    assert {unit: it for unit, it in found.items() if it > table[unit]} == {}


def test_every_limited_service_is_in_the_table() -> None:
    """Jobs, too, which run for a moment and aren't there when one looks."""
    text = (CHECKOUT / "docs/hardening.md").read_text(encoding="utf-8")
    limited = {limits.unit for room in server.all_rooms() for limits in room.sandbox}
    assert [unit for unit in sorted(limited) if f"`{unit}`" not in text] == []
