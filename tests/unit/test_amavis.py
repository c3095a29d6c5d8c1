"""The content filter's configuration."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from pyinfra_deploys import amavis, postfix
from pyinfra_deploys.sections import AmavisSettings
from pyinfra_deploys.settings import Settings
from tests.unit import golden

_USER = "/etc/amavis/conf.d/50-user"
_MASTER = "/etc/postfix/master.cf"
_TMPFILES = "/usr/lib/tmpfiles.d/postolka-amavis.conf"


def _with(**changes: Any) -> Settings:  # noqa: ANN401 - as the settings' fields are
    return replace(Settings(), amavis=AmavisSettings(**changes))


def test_configuration_is_golden() -> None:
    """The filter's configuration is the one that was read and tried."""
    golden.check("amavis", _USER, golden.rendered(amavis)[_USER])


def test_tmpfiles_are_golden() -> None:
    """Directories and the quarantine's age are the ones that were tried."""
    golden.check("amavis", _TMPFILES, golden.baked(amavis)[_TMPFILES])


@pytest.mark.parametrize("children", [1, 7])
def test_postfix_has_as_many_deliveries_as_amavis_has_children(children: int) -> None:
    """One setting for both: more would wait in a connection, fewer would leave children idle."""
    settings = _with(max_servers=children)
    assert f"$max_servers = {children};" in golden.rendered(amavis, settings=settings)[_USER]
    text = golden.baked(postfix, settings)[_MASTER].decode()
    line = re.search(r"^smtp-amavis .*$", text, re.MULTILINE)
    assert line
    assert line[0].split()[6:] == [str(children), "smtp"]


def test_levels_are_settings() -> None:
    """Where spam begins, and where it is discarded."""
    text = golden.rendered(amavis, settings=_with(tag2_level=5.5, kill_level=9))[_USER]
    assert "$sa_tag2_level_deflt = 5.5;" in text
    assert "$sa_kill_level_deflt = 9;" in text


def test_banned_files_are_a_setting() -> None:
    """Off: no file's name is a reason for anything."""
    assert "@bypass_banned_checks_maps = (1);" in golden.rendered(amavis)[_USER]
    assert "@bypass_banned" not in golden.rendered(amavis, settings=_with(banned_files=True))[_USER]


def test_password_is_for_amavis_alone() -> None:
    """The daemon runs as that user, and refuses a configuration that its user may write."""
    text = golden.rendered(amavis)[_USER]
    assert golden.DATABASE.amavis in text
    owner = amavis.FILES[_USER]
    assert (owner.mode, owner.user, owner.group) == ("0640", "root", "amavis")


def test_no_port_is_public() -> None:
    """The filter is for Postfix, on loopback."""
    assert not any(port.is_public for port in amavis.PORTS)
