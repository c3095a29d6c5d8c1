"""Build-time settings: features and limits, from flat group_data literals to frozen dataclasses.

The only reader of group_data; what there is to set stands in sections.py. Parsing is total: every
problem is reported at once, sorted by path.
Pure: no I/O but reading the given file, no clock, no environment.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, get_type_hints

from postolka.errors import PostolkaError, Problem, ProblemsError
from pyinfra_deploys import literals, sections
from pyinfra_deploys.limits import problem as _problem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: The group that every host is in.
ALL = "all"
#: Keys of pyinfra's own SSH connector, which stand beside the settings in a host's data.
_CONNECTOR_PREFIX = "ssh_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All build-time settings, one section a room."""

    base: sections.BaseSettings = field(default_factory=sections.BaseSettings)
    backup: sections.BackupSettings = field(default_factory=sections.BackupSettings)
    postfix: sections.PostfixSettings = field(default_factory=sections.PostfixSettings)
    ratelimit: sections.RatelimitSettings = field(default_factory=sections.RatelimitSettings)
    dovecot: sections.DovecotSettings = field(default_factory=sections.DovecotSettings)
    opendkim: sections.OpendkimSettings = field(default_factory=sections.OpendkimSettings)
    amavis: sections.AmavisSettings = field(default_factory=sections.AmavisSettings)
    spamassassin: sections.SpamassassinSettings = field(
        default_factory=sections.SpamassassinSettings
    )
    opendmarc: sections.OpendmarcSettings = field(default_factory=sections.OpendmarcSettings)
    razor: sections.RazorSettings = field(default_factory=sections.RazorSettings)
    pyzor: sections.PyzorSettings = field(default_factory=sections.PyzorSettings)
    clamav: sections.ClamavSettings = field(default_factory=sections.ClamavSettings)
    mariadb: sections.MariadbSettings = field(default_factory=sections.MariadbSettings)
    postfixadmin: sections.PostfixadminSettings = field(
        default_factory=sections.PostfixadminSettings
    )
    roundcube: sections.RoundcubeSettings = field(default_factory=sections.RoundcubeSettings)
    bind: sections.BindSettings = field(default_factory=sections.BindSettings)
    nftables: sections.NftablesSettings = field(default_factory=sections.NftablesSettings)
    fail2ban: sections.Fail2banSettings = field(default_factory=sections.Fail2banSettings)
    ssh: sections.SshSettings = field(default_factory=sections.SshSettings)
    status: sections.StatusSettings = field(default_factory=sections.StatusSettings)

    def is_on(self, path: str) -> bool:
        """Return the boolean setting at the dotted `path`."""
        section, _, name = path.partition(".")
        return bool(getattr(getattr(self, section), name))

    def as_data(self) -> dict[str, dict[str, Any]]:
        """Return plain nested dictionaries, for the image's manifest."""
        return asdict(self)


def load(folder: Path, profile: str = "") -> Settings:
    """Read all.py of group_data as pyinfra does, but refuse what isn't `name = literal`.

    A profile is a file beside it, whose settings win. Raises ProblemsError naming each other
    statement and what `parse` finds, and PostolkaError for a profile that isn't there.
    """
    if profile and profile not in profiles(folder):
        names = ", ".join(profiles(folder)) or "none"
        hint = f"{folder.name}/ has {names}"
        raise PostolkaError(profile, "there is no such profile", hint=hint)
    data: dict[str, object] = {}
    found = Settings()
    for name in filter(None, (ALL, profile)):
        data |= literals.read(folder / f"{name}.py")
        # After each: a problem is told by the file that has it.
        found = parse(data, where=f"{folder.name}/{name}.py")
    return found


def profiles(folder: Path) -> list[str]:
    """Return the names of the profiles in a directory of group_data."""
    return sorted(path.stem for path in folder.glob("*.py") if path.stem != ALL)


def of_host(data: Mapping[str, object]) -> Settings:
    """Take the settings out of a pyinfra host's data, which hold its connection's keys, too.

    Raises ProblemsError as `parse` does, for every key that begins as a section's do.
    """
    prefixes = tuple(f"{section}_" for section in get_type_hints(Settings))
    known = _names()
    return parse(
        {
            key: value
            for key, value in data.items()
            if key in known or (key.startswith(prefixes) and not key.startswith(_CONNECTOR_PREFIX))
        },
        where="host data",
    )


def _names() -> frozenset[str]:
    return frozenset(
        f"{section}_{item.name}"
        for section, kind in get_type_hints(Settings).items()
        for item in fields(kind)
    )


def parse(data: Mapping[str, object], *, where: str = "group_data") -> Settings:
    """Build Settings from flat `data`; keys that aren't given keep their defaults.

    Raises ProblemsError naming every unknown key, wrong type and value out of range.
    """
    problems: list[Problem] = []
    found: dict[str, Any] = {}
    for section, kind in get_type_hints(Settings).items():
        values: dict[str, object] = {}
        hints = get_type_hints(kind)
        for item in fields(kind):
            key = f"{section}_{item.name}"
            if key not in data:
                continue
            problem = _problem(data[key], hints[item.name], item.metadata)
            if problem:
                problems.append(Problem(key, problem))
            values[item.name] = data[key]
        found[section] = (kind, values)
    problems += [Problem(key, "no such setting") for key in sorted(data.keys() - _names())]
    if problems:
        raise ProblemsError(where, problems, hint="pyinfra_deploys/sections.py lists every setting")
    return Settings(**{name: kind(**values) for name, (kind, values) in found.items()})
