"""What rooms make of the packages alone, and takes long: a changed file makes none of it again.

A store path with the directory `upper`, an overlay's upper side. The rooms' deploys find it made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from postolka import deployer
from postolka.layers import clean
from postolka.layers.context import names, writable
from postolka.store import digest
from pyinfra_deploys import server

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from postolka.layers.context import Context

#: Raised when this module makes another result from the same inputs.
FORMAT = 1


def generated(context: Context, lower: Sequence[Path]) -> Path:
    """Return the layer's store path, made on the trees `lower`, highest first.

    Raises PostolkaError with the operation that failed.
    """
    plan = deployer.plan(server.generate, context.settings)

    def make(out: Path) -> None:
        context.progress("generating what comes from the packages alone")
        out.mkdir()
        upper = out / "upper"
        with writable(context, lower, upper) as root:
            deployer.apply(root, context.log, server.generate, context.settings)
        clean.upper(upper, context.lock.source_date_epoch)

    key = digest(["generated", FORMAT, plan, names(lower)])
    return context.store.realise("generated", key, make)
