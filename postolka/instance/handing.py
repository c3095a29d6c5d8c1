"""The machine's present data as the platform is to have them: user-data, SSH keys and all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from postolka.errors import PostolkaError
from postolka.instance import document

if TYPE_CHECKING:
    from postolka.instance.paths import Paths


def user_data(paths: Paths) -> tuple[bytes, str]:
    """Return what the platform gave, with the present document in it, and what is amiss with that.

    Where it gave nothing that has one the document comes alone. Raises PostolkaError where the
    machine has none, or may not be asked.
    """
    try:
        present = paths.kept.read_bytes()
    except FileNotFoundError as error:
        raise PostolkaError("instance data", "there are none yet") from error
    except PermissionError as error:
        hint = "sudo postolka-instance data"
        raise PostolkaError("data", "only root may read them", hint=hint) from error
    given = paths.user_data.read_bytes() if paths.user_data.exists() else b""
    if not given.strip():
        return present, "the platform gave no user-data"
    try:
        old = document.part(given, where="the platform's user-data")
    except PostolkaError as error:
        return present, str(error)
    if old == given:
        return present, "the platform's user-data are something else"
    if given.count(old) != 1:
        return present, "the platform's user-data have it encoded"
    return given.replace(old, present), ""
