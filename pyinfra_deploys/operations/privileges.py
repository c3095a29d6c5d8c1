"""Programs that give whoever starts them more rights than he has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra.api.command import QuoteString, StringCommand
from pyinfra.api.exceptions import OperationError
from pyinfra.api.operation import operation
from pyinfra.context import host

from pyinfra_deploys.facts.privileges import Privileges

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence


@operation()
def kept(programs: Sequence[str]) -> Generator[StringCommand, None, None]:
    """Take the set-user-ID and set-group-ID bits (chmod(1)) from all programs but `programs`.

    Raises OperationError where one of `programs` has neither: the list is wrong then.
    """
    found = host.get_fact(Privileges, programs=list(programs))
    missing = [path for path in programs if not found.get(path, True)]
    if missing:
        raise OperationError(f"not there, or without such a bit: {', '.join(missing)}")
    if found and found.keys() == set(programs):
        return
    others = [word for path in programs for word in ("!", "-path", QuoteString(path))]
    yield StringCommand(
        *("find", "/usr", "-xdev", "-type", "f", "-perm", "/6000", *others),
        *("-exec", "chmod", "u-s,g-s", "{}", "+"),
    )
