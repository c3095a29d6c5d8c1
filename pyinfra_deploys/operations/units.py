"""Which units of systemd start at boot: decided while baking, without a systemd that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra.api.command import QuoteString, StringCommand
from pyinfra.api.exceptions import OperationError
from pyinfra.api.operation import operation
from pyinfra.context import host

from pyinfra_deploys.facts.units import UnitFiles

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

#: Its sets are what the agent fills.
FIREWALL = "nftables.service"
#: Renders what the other units read.
AGENT = "postolka-instance.service"
#: States that `systemctl enable` can't change: there is nothing in [Install].
_FIXED = {"static", "generated", "transient"}


@operation()
def enabled(
    units: Sequence[str], masked: Sequence[str] = ()
) -> Generator[StringCommand, None, None]:
    """Enable `units` and mask `masked`; nothing is started or stopped.

    Works on a live system and in a root where none runs. A masked unit needn't exist.

    Raises OperationError for a unit that isn't there or has no [Install] section.
    """
    both = sorted(set(units) & set(masked))
    if both:
        raise OperationError(f"both enabled and masked: {', '.join(both)}")
    if not units and not masked:
        return
    states = host.get_fact(UnitFiles, units=[*units, *masked])
    for unit in units:
        if unit in states and (not states[unit] or states[unit] in _FIXED):
            state = states[unit] or "not there"
            raise OperationError(f"{unit} can't be enabled: it is {state}")
    wrong = [unit for unit in units if states.get(unit) != "enabled"]
    unmasked = [unit for unit in masked if states.get(unit) != "masked"]
    hidden = [unit for unit in wrong if states.get(unit) in {"masked", "masked-runtime"}]
    for verb, names in (("unmask", hidden), ("enable", wrong), ("mask", unmasked)):
        if names:
            yield StringCommand("systemctl", "--quiet", verb, *map(QuoteString, names))


@operation(is_idempotent=False)
def running(
    units: Sequence[str], stopped: Sequence[str] = ()
) -> Generator[StringCommand, None, None]:
    """Have `units` run, on a running system, with the configuration that is there now.

    The firewall goes first, then the instance agent: the others read what it renders. `stopped` are
    stopped.
    """
    yield StringCommand("systemctl", "daemon-reload")
    # 65 and 73: lines of packages' files that this machine doesn't want; tmpfiles says which.
    yield StringCommand("systemd-tmpfiles", "--create", _success_exit_codes=[0, 65, 73])
    if stopped:
        # "reset-failed" forgets those that were cut off from what they start.
        yield StringCommand("systemctl", "stop", *map(QuoteString, stopped))
        yield StringCommand("systemctl", "reset-failed")
    first = [unit for unit in (FIREWALL, AGENT) if unit in units]
    for unit in first:
        yield StringCommand("systemctl", "restart", unit)
    others = [QuoteString(unit) for unit in units if unit not in first]
    if others:
        # One that doesn't run mustn't be restarted: jobs for what it requires would get mixed up.
        yield StringCommand("systemctl", "try-restart", *others)
        yield StringCommand("systemctl", "start", *others)
