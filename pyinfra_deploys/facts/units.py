"""Whether systemd units are enabled, also in a root where no systemd runs."""

from __future__ import annotations

import shlex

from pyinfra.api.facts import FactBase


class UnitFiles(FactBase[dict[str, str]]):
    """The state of each of `units` as `systemctl is-enabled` says it; "" for one that isn't there.

    pyinfra's own fact asks the running systemd, which a root at bake time doesn't have.
    """

    default = dict

    def command(self, units: list[str]) -> str:
        """Take unit names with their suffix."""
        words = " ".join(shlex.quote(unit) for unit in units)
        # It says one line for each, also for one that isn't there.
        return (
            f'set -- {words}; systemctl is-enabled "$@" 2>/dev/null | for unit in "$@"; do '
            r"""read -r state || exit 1; printf '%s %s\n' "$unit" "$state"; done"""
        )

    def process(self, output: list[str]) -> dict[str, str]:
        """Return the states by unit."""
        states = {}
        for line in output:
            unit, _, state = line.partition(" ")
            if unit:
                states[unit] = "" if state == "not-found" else state
        return states
