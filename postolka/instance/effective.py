"""What a daemon's configuration comes to: its own dump of it, with every secret masked.

The commands are the rooms' (EFFECTIVE), so a daemon is asked as its administrator would ask it.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from postolka.errors import PostolkaError
from postolka.instance.house import load_house
from postolka.instance.parse import parse
from postolka.instance.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from postolka.instance.paths import Paths

_MASK = "***"


def names(paths: Paths) -> dict[str, list[list[str]]]:
    """Return the commands that show each service's configuration, by the service's name."""
    return dict(sorted(load_house(paths)["effective"].items()))


def show(paths: Paths, name: str) -> str:
    """Return the effective configuration of the service `name`, secrets masked.

    Raises PostolkaError for an unknown service, a command that fails, and without root's rights,
    without which secrets can't be known.
    """
    known = names(paths)
    if name not in known:
        raise PostolkaError(name, "is no service with a configuration", hint=" ".join(known))
    try:
        secrets = tuple(_secrets(paths))
    except PermissionError as error:
        raise PostolkaError(name, "only root may see it", hint="sudo postolka-instance") from error
    many = len(known[name]) > 1
    shown = []
    for argv in known[name]:
        head = f"# {' '.join(argv)}\n" if many else ""
        shown.append(f"{head}{_run(argv)}")
    return masked("\n".join(shown), secrets)


def masked(text: str, secrets: Sequence[str]) -> str:
    """Return `text` with each of `secrets` masked, the longest first: one may begin another."""
    wanted = sorted({secret for secret in secrets if secret}, key=len, reverse=True)
    if not wanted:
        return text
    return re.sub("|".join(map(re.escape, wanted)), _MASK, text)


def _secrets(paths: Paths) -> Iterator[str]:
    """Yield every secret of the instance and of the machine."""
    if paths.secrets.is_dir():
        for path in sorted(paths.secrets.iterdir()):
            yield path.read_text(encoding="ascii").strip()
    if paths.kept.exists():
        yield from secrets_of(parse(paths.kept.read_bytes(), where=str(paths.kept)))


def secrets_of(value: Any) -> Iterator[str]:  # noqa: ANN401 - whatever a model holds
    """Yield every secret in a model."""
    if isinstance(value, Secret):
        yield str(value)
    elif isinstance(value, tuple):
        for item in value:
            yield from secrets_of(item)
    elif is_dataclass(value):
        for item in fields(value):
            yield from secrets_of(getattr(value, item.name))


def _run(argv: Sequence[str]) -> str:
    environment: Mapping[str, str] = {"PATH": "/usr/sbin:/usr/bin", "LANG": "C.UTF-8"}
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, check=False, env=environment, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PostolkaError(argv[0], f"can't be run: {error}") from error
    if done.returncode:
        raise PostolkaError(" ".join(argv), done.stderr.strip() or f"ended with {done.returncode}")
    return done.stdout
