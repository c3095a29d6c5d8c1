"""From an instance and the image's manifest to the bytes of every file rendered at boot.

Pure but for reading the baked templates.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import jinja2

from postolka.errors import Problem, ProblemsError
from postolka.instance import clients
from postolka.instance.templates import attributes, environment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date
    from pathlib import Path
    from types import SimpleNamespace

    from postolka.instance.model import Instance

#: What an expression in a template can raise.
_BROKEN = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """What changes without new data."""

    today: date
    """The day (UTC) by which exceptions hold or have ended."""
    is_certified: bool
    """Whether others can verify the server's certificate."""


def render(
    instance: Instance,
    *,
    house: Mapping[str, Any],
    machine: SimpleNamespace,
    templates: Path,
    present: Present,
) -> dict[str, bytes]:
    """Return the content of each instance file by its absolute path, with what holds at present.

    Raises ProblemsError that names every template that can't be rendered, and for an instance that
    is for another kind of image.
    """
    if instance.has_mailboxes != house["settings"]["base"]["mailboxes"]:
        has = "no mailboxes" if instance.has_mailboxes else "mailboxes, which need one"
        hint = "postolka build --profile relay makes an image without"
        raise ProblemsError("database", [Problem("database", f"the image has {has}")], hint=hint)
    engine = environment(jinja2.FileSystemLoader(templates))
    now = replace(instance, exceptions=instance.exceptions.on(present.today))
    names = context(now, house=house, machine=machine, is_certified=present.is_certified)
    files, problems = {}, []
    for path, entry in house["instance_files"].items():
        try:
            text = engine.get_template(entry["template"]).render(names)
        except (jinja2.TemplateError, *_BROKEN) as error:
            problems.append(Problem(path, f"can't be rendered: {error}"))
        else:
            files[path] = text.encode()
    if problems:
        raise ProblemsError("templates", problems)
    return files


def context(
    instance: Instance,
    *,
    house: Mapping[str, Any],
    machine: SimpleNamespace,
    is_certified: bool = False,
) -> dict[str, Any]:
    """Return what every template may name."""
    return {
        "instance": instance,
        "settings": attributes(house["settings"]),
        "house": house,
        "machine": machine,
        "web": clients.facts(instance, house, is_certified=is_certified),
    }
